"""The endpoint of a model that runs here, asked as flows ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from evald.clients.model import ModelClients
from evald.errors import EvaluationError
from evald.local.server import Server
from evald.settings import ClientSettings, Settings
from tests.checkpoint import TEMPLATE, checkpoint

CHAT = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
GREEDY = {"temperature": 0, "max_tokens": 12}
CALL = '{"name": "add", "arguments": {"a": 1, "b": [2]}}'
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> ClientSettings:
    """EVALD_EGRESS closes all but one host elsewhere: that does not concern this endpoint."""
    roots = (str(folder), str(tmp_path))
    closed = ("models.example",)
    return Settings(data_dir=tmp_path / "data", file_roots=roots, egress=closed).clients


@pytest.fixture
def ask(settings: ClientSettings, folder: Path) -> Callable[..., list[dict[str, Any]]]:
    """Sends requests to a checkpoint, all at once, and answers the responses."""

    def run(*asked: dict[str, Any], at: Path = folder, **model: Any) -> list[dict[str, Any]]:
        async def send() -> list[dict[str, Any]]:
            document = {"artifact": {"files_url": f"file://{at}"}, **model}
            with ModelClients(settings) as models:
                async with models.open(document, {"request_timeout": 0.001}) as client:
                    replies = await asyncio.gather(*map(client.ask, asked))
                    return [dict(reply.response) for reply in replies]

        return asyncio.run(send())

    return run


def own(folder: Path) -> tuple[Any, Any]:
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder)


def texts(response: dict[str, Any]) -> list[str]:
    return [c["message"]["content"] if "message" in c else c["text"] for c in response["choices"]]


def refusal(ask: Callable[..., Any], request: dict[str, Any], **given: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        ask(request, **given)
    assert caught.value.kind == "http"  # and was sent once
    return caught.value.message


def test_chats_and_completions_are_transformers_own(ask: Any, folder: Path) -> None:
    completion = {"prompt": "The quick brown", **GREEDY}
    chat, plain, several = ask(
        {**CHAT, **GREEDY}, completion, {**completion, "prompt": ["The", "Paris is"]}
    )
    model, tokenizer = own(folder)

    def written(inputs: Any) -> str:
        found = model.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=0)
        new = found[0][inputs["input_ids"].shape[1] :]
        return str(tokenizer.decode(new, skip_special_tokens=True))

    as_chat = tokenizer.apply_chat_template(
        CHAT["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert texts(chat) == [written(as_chat)]
    assert chat["usage"]["prompt_tokens"] == as_chat["input_ids"].shape[1]
    assert texts(plain) == [written(tokenizer("The quick brown", return_tensors="pt"))]
    assert texts(several) == [
        written(tokenizer(text, return_tensors="pt")) for text in ("The", "Paris is")
    ]
    assert chat["choices"][0]["finish_reason"] == "length"
    assert chat["usage"]["completion_tokens"] == 12


def test_tokens_are_prompts_too(ask: Any, folder: Path) -> None:
    _, tokenizer = own(folder)
    tokens = tokenizer("The quick brown").input_ids
    as_text, as_tokens, both = ask(
        {"prompt": "The quick brown", **GREEDY},
        {"prompt": tokens, **GREEDY},
        {"prompt": [tokens, tokens], **GREEDY},
    )
    assert texts(as_tokens) == texts(as_text)
    assert texts(both) == texts(as_text) * 2


def test_echo_tells_where_each_token_stands(ask: Any) -> None:
    text = "The naïve café 你好, Paris"
    request = {"prompt": text, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
    choice = ask(request)[0]["choices"][0]
    told = choice["logprobs"]
    assert choice["text"].startswith(text)
    assert "".join(told["tokens"][:-1]) == "<s>" + text
    counts = {len(values) for values in told.values()}
    assert counts == {len(told["tokens"])}
    assert told["token_logprobs"][0] is told["top_logprobs"][0] is None
    for piece, offset in zip(told["tokens"], told["text_offset"], strict=True):
        assert ("<s>" + choice["text"])[offset : offset + len(piece)] == piece
    last = max(told["top_logprobs"][-1].values())
    assert told["token_logprobs"][-1] == last  # what is written is the most probable
    assert ask({**request, "max_tokens": 0})[0]["choices"][0]["text"] == text


def test_a_chat_tells_its_logprobs(ask: Any) -> None:
    choice = ask({**CHAT, **GREEDY, "logprobs": True, "top_logprobs": 3})[0]["choices"][0]
    content = choice["logprobs"]["content"]
    assert len(content) == 12
    for one in content:
        best = [top["logprob"] for top in one["top_logprobs"]]
        assert len(best) == 3
        assert one["logprob"] == best[0] == max(best)
        assert bytes(one["bytes"]).decode() == one["token"]


def test_n_and_seed(ask: Any) -> None:
    request = {**CHAT, "max_tokens": 12, "temperature": 1.3, "n": 3, "seed": 5}
    first, second, other = ask(request, request, {**request, "seed": 6})
    assert len(set(texts(first))) == 3
    assert texts(first) == texts(second) != texts(other)
    assert [choice["index"] for choice in first["choices"]] == [0, 1, 2]


def test_stop_and_the_context(ask: Any) -> None:
    whole = texts(ask({**CHAT, "temperature": 0})[0])[0]
    assert len(whole) > 50  # until it ends itself, far beyond the 16 of completions
    stop = whole[5:8]
    stopped = ask({**CHAT, "temperature": 0, "stop": [stop]})[0]["choices"][0]
    assert stopped["message"]["content"] == whole[: whole.index(stop)]
    assert stopped["finish_reason"] == "stop"


def test_tools_are_in_the_chat_and_calls_in_the_answer(ask: Any, folder: Path) -> None:
    plain, told, off = ask(
        {**CHAT, **GREEDY},
        {**CHAT, **GREEDY, "tools": TOOLS},
        {**CHAT, **GREEDY, "tools": TOOLS, "tool_choice": "none"},
    )
    assert told["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    assert off["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]
    assert "must be a list" in refusal(ask, {"messages": "hi"})


def test_a_model_says_how_it_is_sampled(ask: Any, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "greedy")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(
        json.dumps({**config, "do_sample": True, "top_k": 1, "temperature": 0.7})
    )
    request = {"prompt": "Paris is", "max_tokens": 12}
    by_default, greedy = ask(request, {**request, "temperature": 0}, at=folder)
    assert texts(by_default) == texts(greedy)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({**CHAT, "response_format": {"type": "json_object"}}, "`response_format` is not known"),
        ({**CHAT, "logit_bias": {"5": 1}}, "`logit_bias` is not known"),
        ({**CHAT, "tools": TOOLS, "tool_choice": "required"}, "`tool_choice` can be"),
        ({**CHAT, "temperature": -1}, "`temperature` must be a number from 0"),
        ({**CHAT, "n": 1000}, "`n` must be a number from 1 to 128"),
        ({**CHAT, "max_tokens": "many"}, "`max_tokens` must be"),
        ({**CHAT, "stop": [""]}, "`stop` must be"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "only text"),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "the model's context 512"),
        ({"prompt": [9999]}, "not within 0 and"),
        ({"prompt": {}}, "`prompt` must be"),
    ],
)
def test_what_it_cannot_do_is_refused(ask: Any, request_: dict[str, Any], why: str) -> None:
    assert why in refusal(ask, request_)


def test_templates_that_do_not_fit(ask: Any, tmp_path: Path) -> None:
    bare = checkpoint(tmp_path / "bare", template=None)
    assert "no chat template: ask for completions" in refusal(ask, CHAT, at=bare)
    assert texts(ask({"prompt": "Paris", **GREEDY}, at=bare)[0])[0]
    strict = checkpoint(
        tmp_path / "strict", template="{{ raise_exception('roles must alternate') }}" + TEMPLATE
    )
    assert "roles must alternate" in refusal(ask, CHAT, at=strict)


def test_nobody_else_is_answered() -> None:
    async def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"said": request["said"]}

    server = Server({"/echo": answer})
    try:
        url, key = f"{server.url}/echo", {"Authorization": f"Bearer {server.key}"}
        assert requests.post(url, json={"said": 1}, timeout=10).status_code == 401
        assert requests.post(url, json={"said": 1}, timeout=10, headers=key).json() == {"said": 1}
        assert requests.post(url, json=[1], timeout=10, headers=key).status_code == 400
        assert requests.post(url, data="{", timeout=10, headers=key).status_code == 400
    finally:
        server.close()
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json={}, timeout=10)


def test_one_artifact_is_loaded_once(settings: ClientSettings, folder: Path) -> None:
    said: list[str] = []
    model = {"artifact": {"files_url": f"file://{folder}"}}

    async def run() -> Sequence[str]:
        with ModelClients(settings, say=lambda _, text: said.append(text)) as models:
            async with models.open(model, {}) as one, models.open(model, {}) as two:
                request = {"prompt": "Paris", **GREEDY}
                return [(await one.ask(request)).text, (await two.ask(request)).text]

    one, two = asyncio.run(run())
    assert one == two
    assert len([line for line in said if "loaded" in line]) == 1
