"""OpenAI's API in front of a model that writes: from requests to asks, from rows to answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any
from uuid import uuid4

from evald.local.ask import Ask, Choice, Row, Sampling
from evald.local.checkpoint import Checkpoint
from evald.local.tools import calls_in

Request = Mapping[str, Any]

MAX_TOKENS = 16
"""Of a completion that does not say how many, as OpenAI's API has it. Chats may fill the model's
context."""

MAX_N = 128

REFUSED = {
    "best_of": 1,
    "logit_bias": {},
    "suffix": "",
    "response_format": {"type": "text"},
    "guided_json": None,
    "guided_regex": None,
    "guided_choice": None,
    "structured_outputs": None,
}
"""What changes answers and is not known here: refused unless it has the value that changes none."""


class Refused(ValueError):
    """A request that the model cannot take. Says why."""


def chat_asks(request: Request, checkpoint: Checkpoint) -> list[Ask]:
    """What a chat request asks: one text or `n`. Raises Refused."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
        raise Refused("`messages` must be a list of messages")
    tools = request.get("tools") or None
    choice = request.get("tool_choice") or "auto"
    if choice not in ("auto", "none"):
        raise Refused("`tool_choice` can be auto or none: the model is not made to call a tool")
    options = request.get("chat_template_kwargs") or {}
    plain = [{**m, "content": _plain(m.get("content"))} for m in messages]
    try:
        prompt = checkpoint.chat(plain, None if choice == "none" else tools, options)
    except ValueError as e:
        raise Refused(str(e)) from e
    wanted = _number(request, "top_logprobs", 0, 0, 100) if request.get("logprobs") else None
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    return _asks(request, checkpoint, [prompt], most or checkpoint.context, wanted)


def completion_asks(request: Request, checkpoint: Checkpoint) -> list[Ask]:
    """What a completion request asks: `n` texts for each of its prompts. Raises Refused."""
    given = request.get("prompt")
    prompts = [given] if isinstance(given, str) or _is_tokens(given) else given
    if not isinstance(prompts, list) or not prompts:
        raise Refused("`prompt` must be a text, a list of tokens, or a list of such")
    special = bool(request.get("add_special_tokens", True))
    read = [_read(prompt, checkpoint, special) for prompt in prompts]
    most = request.get("max_tokens")
    wanted = request.get("logprobs")
    top = None if wanted is None else _number(request, "logprobs", 0, 0, 100)
    return _asks(request, checkpoint, read, MAX_TOKENS if most is None else most, top)


def chat_answer(request: Request, rows: Sequence[Row], checkpoint: Checkpoint) -> dict[str, Any]:
    """A chat completion."""
    choices = []
    for index, row in enumerate(rows):
        text, calls = calls_in(row.text) if request.get("tools") else (row.text, [])
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message |= {"content": text or None, "tool_calls": calls}
        choice = {
            "index": index,
            "message": message,
            "finish_reason": "tool_calls" if calls else row.finish,
            "logprobs": None,
        }
        if row.ask.logprobs is not None:
            choice["logprobs"] = {"content": _chat_logprobs(row.told, checkpoint)}
        choices.append(choice)
    return _answer("chat.completion", "chatcmpl", request, choices, rows)


def completion_answer(
    request: Request, rows: Sequence[Row], checkpoint: Checkpoint
) -> dict[str, Any]:
    """A text completion."""
    choices = []
    for index, row in enumerate(rows):
        before = checkpoint.text(row.ask.prompt) if row.ask.echo else ""
        choice = {
            "index": index,
            "text": before + row.text,
            "finish_reason": row.finish,
            "logprobs": None,
        }
        if row.ask.logprobs is not None:
            choice["logprobs"] = _logprobs([*row.read, *row.told], checkpoint)
        choices.append(choice)
    return _answer("text_completion", "cmpl", request, choices, rows)


def _asks(
    request: Request,
    checkpoint: Checkpoint,
    prompts: Sequence[Sequence[int]],
    most: Any,
    logprobs: int | None,
) -> list[Ask]:
    for name, neutral in REFUSED.items():
        if request.get(name) not in (None, neutral):
            raise Refused(f"`{name}` is not known to models that evald runs: leave it away")
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        raise Refused(f"`max_tokens` must be a number from 0, not {most!r}")
    given = {**checkpoint.defaults, **{k: v for k, v in request.items() if v is not None}}
    sampling = Sampling(
        temperature=_number(given, "temperature", 1.0, 0, 100),
        top_p=_number(given, "top_p", 1.0, 0, 1),
        top_k=int(_number(given, "top_k", 0, -1, 2**31)),
        min_p=_number(given, "min_p", 0.0, 0, 1),
        frequency_penalty=_number(given, "frequency_penalty", 0.0, -100, 100),
        presence_penalty=_number(given, "presence_penalty", 0.0, -100, 100),
        repetition_penalty=_number(given, "repetition_penalty", 1.0, 1e-3, 100),
    )
    stop = request.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(word, str) and word for word in stop):
        raise Refused("`stop` must be a text or a list of texts, none of them empty")
    count = int(_number(request, "n", 1, 1, MAX_N))
    seed = request.get("seed")
    asks: list[Ask] = []
    for prompt in prompts:
        space = checkpoint.context - len(prompt)
        if space < (1 if most else 0):
            raise Refused(
                f"the prompt has {len(prompt)} tokens, and the model's context {checkpoint.context}"
            )
        asks += [
            Ask(
                prompt=prompt,
                max_tokens=min(most, space),
                sampling=sampling,
                stop=stop,
                seed=None if seed is None else f"{seed}/{len(asks) + number}",
                logprobs=logprobs,
                echo=bool(request.get("echo")),
            )
            for number in range(count)
        ]
    return asks


def _read(prompt: Any, checkpoint: Checkpoint, special: bool) -> list[int]:
    """The tokens of one prompt."""
    if isinstance(prompt, str):
        tokens = checkpoint.tokens(prompt, special=special)
    elif _is_tokens(prompt):
        tokens = list(prompt)
        if any(not 0 <= token < checkpoint.vocabulary for token in tokens):
            raise Refused(f"`prompt` has tokens that are not within 0 and {checkpoint.vocabulary}")
    else:
        raise Refused("`prompt` must be a text, a list of tokens, or a list of such")
    if not tokens:
        raise Refused("`prompt` is empty, and the model needs a token to begin with")
    return tokens


def _is_tokens(prompt: Any) -> bool:
    whole = isinstance(prompt, list) and bool(prompt)
    return whole and all(isinstance(t, int) and not isinstance(t, bool) for t in prompt)


def _plain(content: Any) -> Any:
    """A message's content as templates take it: the text of its parts."""
    if not isinstance(content, list):
        return content
    if any(not isinstance(p, Mapping) or p.get("type", "text") != "text" for p in content):
        raise Refused("a message has parts that are no text: the model reads only text")
    return "".join(str(part.get("text", "")) for part in content)


def _number(given: Request, name: str, default: float, least: float, most: float) -> Any:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Refused(f"`{name}` must be a number from {least:g} to {most:g}, not {value!r}")
    return value


def _logprobs(told: Sequence[Choice], checkpoint: Checkpoint) -> dict[str, Any]:
    pieces = checkpoint.pieces([choice.token for choice in told])
    return {
        "tokens": pieces,
        "token_logprobs": [choice.logprob for choice in told],
        "top_logprobs": [
            None if choice.logprob is None else _named(choice, piece, checkpoint)
            for choice, piece in zip(told, pieces, strict=True)
        ],
        "text_offset": [0, *accumulate(map(len, pieces))][:-1],
    }


def _named(choice: Choice, piece: str, checkpoint: Checkpoint) -> dict[str, float]:
    """The most probable tokens by their texts, and the chosen one. Of several that have one text,
    as parts of letters do, the most probable stands for all."""
    found: dict[str, float] = {}
    for token, value in choice.top:
        name = piece if token == choice.token else checkpoint.pieces([token])[0]
        found.setdefault(name, value)
    assert choice.logprob is not None
    found.setdefault(piece, choice.logprob)
    return found


def _chat_logprobs(told: Sequence[Choice], checkpoint: Checkpoint) -> list[dict[str, Any]]:
    pieces = checkpoint.pieces([choice.token for choice in told])
    return [
        {
            **_told(piece, choice.logprob),
            "top_logprobs": [_told(checkpoint.pieces([t])[0], value) for t, value in choice.top],
        }
        for piece, choice in zip(pieces, told, strict=True)
    ]


def _told(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _answer(
    kind: str, prefix: str, request: Request, choices: list[dict[str, Any]], rows: Sequence[Row]
) -> dict[str, Any]:
    read = sum(len(prompt) for prompt in {id(r.ask.prompt): r.ask.prompt for r in rows}.values())
    written = sum(len(row.written) for row in rows)
    return {
        "id": f"{prefix}-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": request.get("model"),
        "choices": choices,
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        },
    }
