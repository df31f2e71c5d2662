"""lm-eval's tasks on data of one's own: what is asked, what it scores, and what is asked again."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from evald import registry
from evald.clients.model import ModelClients
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept
from evald.harness import library, names
from evald.settings import Settings
from tests.checkpoint import checkpoint
from tests.endpoint import Endpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # those of what lm-eval imports are its own affair
    pytest.mark.xdist_group("lm-eval"),
]

SUMS = [
    {"question": f"What is {n} plus {2 * n + 1}?", "answer": f"We add.\n#### {3 * n + 1}"}
    for n in range(24)
]
SUBJECTS = [
    {"question": f"Which is number {n}?", "choices": [f"a{n}", "b", "c c", "d"], "answer": n % 4}
    for n in range(20)
]

TOKENS = re.compile(r"\s?\w+|\W")


def add(request: Mapping[str, Any]) -> str:
    """Does most of the sums right, in one of three forms."""
    said = request["messages"][-1]["content"] if "messages" in request else request["prompt"]
    a, b = map(int, re.findall(r"What is (\d+) plus (\d+)", said)[-1])
    wrong = a % 5 == 0
    texts = [f"So:\n#### {a + b + wrong}", f"It is {a + b + wrong}.", "I do not know."]
    return texts[a % 3]


def echo_logprobs(request: Mapping[str, Any]) -> dict[str, Any]:
    """Completes by one token, and says how probable each token of the prompt was, by a hash."""
    tokens = [*TOKENS.findall(request["prompt"]), " end"]
    values, tops, offsets, text = [], [], [], ""
    for token in tokens:
        number = int.from_bytes(blake2b((text + token).encode(), digest_size=4).digest())
        value = -number / 2**30
        other = {} if number % 2 else {"other": value / 2}
        values.append(value)
        tops.append({token: value, **other})
        offsets.append(len(text))
        text += token
    logprobs = {
        "tokens": tokens,
        "token_logprobs": [None, *values[1:]],
        "top_logprobs": [None, *tops[1:]],
        "text_offset": offsets,
    }
    usage = {"prompt_tokens": len(tokens), "completion_tokens": 1}
    return {"choices": [{"index": 0, "text": text, "logprobs": logprobs}], "usage": usage}


def config(kind: str, **extra: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "params": {"parallelism": 4, "extra": extra},
        "tasks": {kind: {"type": kind, "dataset": {"files_url": "own"}}},
    }


def target(url: str) -> dict[str, Any]:
    return {"type": "model", "model": {"api_endpoint": {"url": url, "model_id": "test"}}}


@pytest.fixture
def harness(world_of: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A world with lm-eval's tasks, real clients and the rows that are given."""
    with ModelClients(Settings(data_dir=tmp_path).clients) as clients:

        def make(rows: list[dict[str, Any]], kept: list[Kept] | None = None) -> Any:
            return world_of(sets={"own": rows}, model=clients, kept=kept or [])

        yield make


@contextmanager
def reading(rows: Any) -> Iterator[None]:
    """While the block runs, lm-eval's tasks get these rows in each split."""
    datasets = library.module("datasets")
    load = datasets.load_dataset
    made = datasets.Dataset.from_list(rows)
    datasets.load_dataset = lambda *_, **__: dict.fromkeys(("train", "test", "dev"), made)
    try:
        yield
    finally:
        datasets.load_dataset = load


def by_lm_eval(task: str, model: Any, rows: Any, **options: Any) -> dict[str, Any]:
    """What lm-eval's own entry point says of a task."""
    evaluator = library.module("lm_eval.evaluator")
    manager_of = library.module("lm_eval.tasks").TaskManager
    folders = [str(folder) for folder in names.index().folders(task)]
    manager = manager_of(include_defaults=False, include_path=folders)
    with reading(rows):
        loaded = manager.load(task)
    for leaf in loaded["tasks"].values():
        # One data set is in every split: no row may be its own example, as with us.
        if leaf.fewshot_cfg.split:
            leaf.fewshot_cfg.split = leaf.config.test_split
    tasks = [*loaded["groups"].values()] or [*loaded["tasks"].values()]
    found: dict[str, Any] = evaluator.simple_evaluate(
        model, tasks=tasks, task_manager=manager, bootstrap_iters=1000, **options
    )
    return found["results"]


def api(kind: str, url: str) -> Any:
    """One of lm-eval's own clients."""
    models = library.module("lm_eval.models.openai_completions")
    client = {"chat": models.LocalChatCompletion, "completions": models.LocalCompletionsAPI}[kind]
    return client(base_url=url, model="test", num_concurrent=4, tokenizer_backend=None)


def same_scores(result: Mapping[str, Any], found: Mapping[str, Any]) -> int:
    """Compares all values and errors with lm-eval's; answers how many there are."""
    count = 0
    for key, value in found.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        name = metric if filter_name == "none" else f"{metric}__{filter_name}"
        score = result["metrics"][name]["scores"][name]
        assert score["value"] == pytest.approx(float(value), rel=0, abs=1e-9)
        stderr = found[f"{metric}_stderr,{filter_name}"]
        if stderr != "N/A":
            assert score["stats"]["stderr"] == pytest.approx(float(stderr), rel=0, abs=1e-9)
        count += 1
    assert len(result["metrics"]) == count
    return count


def bodies(endpoint: Endpoint) -> list[str]:
    """What was asked, in an order of its own."""
    return sorted(repr(sorted(r.body.items())) for r in endpoint.requests)


@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_what_is_asked_and_scored_is_lm_evals(harness: Any, kind: str) -> None:
    path = {"chat": "/chat/completions", "completions": "/completions"}[kind]
    world = harness(SUMS)
    with Endpoint(reply=add) as endpoint:
        result = world.run(config("gsm8k", num_fewshot=3), target(endpoint.url + path))
        ours = bodies(endpoint)
        endpoint.requests.clear()
        model = api(kind, endpoint.url + path)
        options = {"num_fewshot": 3, "apply_chat_template": kind == "chat"}
        found = by_lm_eval("gsm8k", model, SUMS, **options)
        assert ours == bodies(endpoint)
    task = result["tasks"]["gsm8k"]
    assert same_scores(task, found["gsm8k"]) == 2
    assert task["metrics"]["exact_match__strict-match"]["scores"]["exact_match__strict-match"][
        "stats"
    ]["count"] == len(SUMS)
    assert 0 < found["gsm8k"]["exact_match,strict-match"] < 1
    assert world.emit.steps[-1] == (24, 24)
    assert world.emit.tasks == [("gsm8k", "running"), ("gsm8k", "completed")]
    sample = world.emit.samples[0]
    assert sample.item == SUMS[sample.index]
    assert sample.sample["response"]["choices"]
    assert sample.scores.keys() == task["metrics"].keys()


def test_choices_by_probability(harness: Any) -> None:
    tokens: dict[str, int] = {}
    client = library.module("lm_eval.models.openai_completions").LocalCompletionsAPI

    class Words(client):  # type: ignore[misc]
        """lm-eval's own client, with the endpoint's tokens."""

        def tok_encode(self, string: str, **_: Any) -> list[int]:
            return [tokens.setdefault(t, len(tokens)) for t in TOKENS.findall(string)]

        def decode_batch(self, given: list[list[int]]) -> list[str]:
            known = list(tokens)
            return ["".join(known[t] for t in text) for text in given]

    world = harness(SUBJECTS)
    with Endpoint(reply=echo_logprobs) as endpoint:
        url = f"{endpoint.url}/completions"
        result = world.run(config("mmlu_anatomy", num_fewshot=2), target(endpoint.url))
        ours = bodies(endpoint)
        prompts = [request.body["prompt"] for request in endpoint.requests]
        endpoint.requests.clear()
        model = Words(base_url=url, model="test", num_concurrent=4, tokenizer_backend=None)
        model.tokenizer = tokens
        found = by_lm_eval("mmlu_anatomy", model, SUBJECTS, num_fewshot=2)
        assert ours == bodies(endpoint)
    assert same_scores(result["tasks"]["mmlu_anatomy"], found["mmlu_anatomy"]) == 1
    assert 0 < found["mmlu_anatomy"]["acc,none"] < 1
    sample = world.emit.samples[0]
    assert len(sample.sample["answers"]) == 4
    assert sample.sample["output_text"] in "ABCD"
    usage = result["tasks"]["mmlu_anatomy"]["data"]["usage"]
    counted = [1 + len(TOKENS.findall(prompt)) for prompt in prompts]
    assert usage["prompt_tokens"] == sum(counted)
    assert usage["completion_tokens"] == len(prompts) == 4 * len(SUBJECTS)


def test_a_checkpoint_scores_as_lm_evals_own_model(harness: Any, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "datasets" / "ns" / "tiny", max_position_embeddings=1024)
    model = {"type": "model", "model": {"artifact": {"files_url": "hf://ns/tiny"}}}
    loaded = library.module("lm_eval.models.huggingface").HFLM

    def own(*, begins: bool) -> Any:
        return loaded(pretrained=str(folder), device="cpu", batch_size=8, add_bos_token=begins)

    result = harness(SUBJECTS).run(config("mmlu_anatomy", num_fewshot=2), model)
    found = by_lm_eval("mmlu_anatomy", own(begins=True), SUBJECTS, num_fewshot=2)
    assert same_scores(result["tasks"]["mmlu_anatomy"], found["mmlu_anatomy"]) == 1
    assert 0 < found["mmlu_anatomy"]["acc,none"] < 1
    pages = [{"page": f"There are {n} words here , more or less ."} for n in range(6)]
    result = harness(pages).run(config("wikitext"), model)
    # Of a whole text lm-eval puts the first token there itself.
    found = by_lm_eval("wikitext", own(begins=False), pages)
    for name, metric in result["tasks"]["wikitext"]["metrics"].items():
        value = metric["scores"][name]["value"]
        assert value == pytest.approx(found["wikitext"][f"{name},none"], rel=1e-4)


def test_what_was_answered_is_not_asked_again(harness: Any) -> None:
    whole = harness(SUBJECTS)
    with Endpoint(reply=echo_logprobs) as endpoint:
        asked = config("mmlu_anatomy")
        result = whole.run(asked, target(endpoint.url))
        kept = [
            Kept(s.index, s.scores, s.parts, s.error, s.sample)
            for s in random.Random(0).sample(whole.emit.samples, 13)
        ]
        endpoint.requests.clear()
        resumed = harness(SUBJECTS, kept)
        again = resumed.run(asked, target(endpoint.url))
        assert len(endpoint.requests) == 4 * 7
        assert len(resumed.emit.samples) == 7
    one, other = (
        r["tasks"]["mmlu_anatomy"]["metrics"]["acc"]["scores"]["acc"] for r in (again, result)
    )
    assert one.pop("stats") == pytest.approx(other.pop("stats"), rel=1e-12)
    assert one == other


def test_rows_without_an_answer_count_nowhere(harness: Any) -> None:
    def sometimes(request: Mapping[str, Any]) -> Any:
        text = add(request)
        return {"error": {"message": "no"}} if text.startswith("I do") else text

    world = harness(SUMS)
    with Endpoint(reply=sometimes) as endpoint:
        result = world.run(config("gsm8k", num_fewshot=0), target(endpoint.url))
    task = result["tasks"]["gsm8k"]
    score = task["metrics"]["exact_match__flexible-extract"]["scores"][
        "exact_match__flexible-extract"
    ]
    assert task["data"]["errors"] == {"bad_schema": 8}
    assert (score["stats"]["count"], score["stats"]["nan_count"]) == (16, 8)
    right = sum(n % 5 != 0 for n in range(24) if n % 3 != 2)
    assert score["value"] == pytest.approx(right / 16)


def test_texts_by_probability(harness: Any) -> None:
    rows = [{"page": f"There are {n} words here , more or less ."} for n in range(6)]
    world = harness(rows)
    with Endpoint(reply=echo_logprobs) as endpoint:
        result = world.run(config("wikitext"), target(endpoint.url))
        asked = [r.body["prompt"] for r in endpoint.requests]
    logprob = 0.0
    for prompt in asked:
        said = echo_logprobs({"prompt": prompt})["choices"][0]["logprobs"]
        logprob += sum(said["token_logprobs"][1:-1])
    words = sum(len(re.split(r"\s+", row["page"])) for row in rows)
    metrics = result["tasks"]["wikitext"]["metrics"]
    perplexity = metrics["word_perplexity"]["scores"]["word_perplexity"]
    assert perplexity["value"] == pytest.approx(math.exp(-logprob / words), rel=1e-9)
    assert len(metrics) == 3
    for name, metric in metrics.items():
        score = metric["scores"][name]
        interval = score["interval"]
        assert interval["method"] == "bootstrap"
        assert interval["low"] < score["value"] < interval["high"]


def test_groups(harness: Any) -> None:
    """One folder for each task of a group."""
    world = harness(SUBJECTS)
    world.sets = {}
    subjects = names.index()
    folder = subjects.folders("mmlu_humanities")[0]
    members = [n for n in subjects if n.startswith("mmlu_") and n in subjects.files]
    wanted = set(subjects.tags["mmlu_humanities_tasks"]) & set(members)
    for name in wanted:
        text = (folder / f"{name}.yaml").read_text()
        part = re.search(r'dataset_name"?: "?(\w+)', text)
        assert part
        world.sets[f"own/{part[1]}"] = SUBJECTS[: 2 + len(part[1]) % 4]
    with Endpoint(reply=echo_logprobs) as endpoint:
        result = world.run(config("mmlu_humanities", num_fewshot=0), target(endpoint.url))
    group = result["groups"]["mmlu_humanities"]["metrics"]["acc"]["scores"]["acc"]
    leaves = [result["tasks"][name]["metrics"]["acc"]["scores"]["acc"] for name in wanted]
    total = sum(leaf["stats"]["sum"] for leaf in leaves)
    assert group["value"] == pytest.approx(total / sum(leaf["stats"]["count"] for leaf in leaves))
    assert result["tasks"]["mmlu_humanities"] == result["groups"]["mmlu_humanities"]
    half = NormalDist().inv_cdf(0.975) * group["stats"]["stderr"]
    assert group["interval"] == {
        "low": pytest.approx(group["value"] - half),
        "high": pytest.approx(group["value"] + half),
        "level": 0.95,
        "method": "normal",
    }
    clustered = config("mmlu_humanities", num_fewshot=0)
    clustered["tasks"]["mmlu_humanities"]["params"] = {"cluster": "answer"}
    with Endpoint(reply=echo_logprobs) as endpoint:
        result = world.run(clustered, target(endpoint.url))
    # lm-eval's own error of a group knows of no clusters.
    assert result["groups"]["mmlu_humanities"]["metrics"]["acc"]["scores"]["acc"] == {
        "value": group["value"]
    }
    leaf = result["tasks"][min(wanted)]["metrics"]["acc"]["scores"]["acc"]
    assert leaf["interval"]["method"] == "clustered_t"
    assert ("mmlu_humanities", "completed") in world.emit.tasks


def test_ifeval(harness: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langdetect")
    nltk = pytest.importorskip("nltk")
    (tmp_path / "tokenizers/punkt_tab").mkdir(parents=True)  # or it would be fetched
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    rows = [
        {"key": 1, "prompt": "Say hello without a comma.", "kwargs": [{}],
         "instruction_id_list": ["punctuation:no_comma"]},
        {"key": 2, "prompt": "Say hello, and mention rain.", "kwargs": [{"keywords": ["rain"]}],
         "instruction_id_list": ["keywords:existence"]},
    ]  # fmt: skip
    world = harness(rows)
    with Endpoint(reply="Hello there.") as endpoint:
        result = world.run(config("ifeval"), target(endpoint.url))
        found = by_ifeval(endpoint.url, rows)
    assert same_scores(result["tasks"]["ifeval"], found["ifeval"]) == 4
    metrics = result["tasks"]["ifeval"]["metrics"]
    assert metrics["prompt_level_strict_acc"]["scores"]["prompt_level_strict_acc"]["value"] == 0.5


def by_ifeval(url: str, rows: Any) -> dict[str, Any]:
    model = api("chat", f"{url}/chat/completions")
    return by_lm_eval("ifeval", model, rows, apply_chat_template=True)


def test_wikilingua(harness: Any) -> None:
    """Which lm-eval does not have: the prompt and the scores of nvidia-lm-eval."""
    rows = [
        {"source": "Boil the water. Add salt.", "target": "Boil the water, and add a salt!"},
        {"source": "Fold the paper.", "target": "Fold it once."},
    ]
    replies = {"Boil": " boil water and add salt", "Fold": " Fold it twice."}

    def reply(request: Mapping[str, Any]) -> str:
        return next(text for word, text in replies.items() if word in str(request["messages"]))

    world = harness([])
    world.sets = {f"own/{code}": rows for code in ("en", "de")}
    with Endpoint(reply=reply) as endpoint:
        asked = config("wikilingua_english", num_fewshot=0)
        result = world.run(asked, target(endpoint.url))["tasks"]["wikilingua_english"]
        [first] = [r.body for r in endpoint.requests if "Boil" in str(r.body)]
    assert first["messages"][-1]["content"] == "Article: Boil the water. Add salt.\nSummary:"
    assert first["stop"] == ["\n", "\n\n"]
    values = {name: metric["scores"][name]["value"] for name, metric in result["metrics"].items()}
    # Of the second, two words of three and one pair of two are the same; of the first, all.
    assert values == pytest.approx({"rouge1": 5 / 6, "rouge2": 3 / 4, "rougeL": 5 / 6})
    known = names.index()
    assert len(known.tags["wikilingua"]) == 18
    assert registry.flows()["wikilingua"] is registry.flows()["gsm8k"]


def test_names_are_lm_evals() -> None:
    """Of a part of its tasks, for to read them all takes it ten seconds."""
    folders = [f"{names.root()}/{part}" for part in ("gpqa", "mmlu", "scrolls", "leaderboard")]
    manager = library.module("lm_eval.tasks").TaskManager(
        include_defaults=False, include_path=folders
    )
    assert set(manager.all_tasks) <= set(names.index())
    assert set(manager.all_groups) <= names.index().groups
    for tag in manager.all_tags:
        assert manager.task_index[tag].tags <= set(names.index().tags[tag])


def test_names() -> None:
    flows = registry.flows()
    assert "gpqa_diamond_cot" in flows
    assert "hellaswag" in flows
    assert flows["hellaswag"] is flows["gsm8k"]
    assert "helaswag" not in flows
    with pytest.raises(LookupError, match=r"did you mean 'hellaswag'\?"):
        flows["helaswag"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"tasks": {"t": {"type": "gsm9k"}}}, "tasks.t.type", "did you mean 'gsm8k'"),
        ({"params": {"extra": {"num_fewshot": -1}}}, "params.extra.num_fewshot", "greater"),
        ({"params": {"extra": {"model_type": "chatty"}}}, "params.extra.model_type", "'chat'"),
    ],
)
def test_bad_configs(change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as e:
        registry.flows()["gsm8k"]().check({"type": "gsm8k", **change})
    assert [v.field for v in e.value.violations] == [field]


def test_lm_eval_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evald.flows.lm_harness.root", lambda: None)
    with pytest.raises(InvalidArgument, match=r"pip install 'evald\[harness\]'"):
        registry.flows()["gsm8k"]().check({"type": "gsm8k"})


def test_the_hub_is_out_of_reach(harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **given: Any) -> None:
        assert given["token"] == "hf_secret"
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(library.module("datasets"), "load_dataset", unreachable)
    asked = {"type": "gsm8k", "params": {"extra": {"hf_token": "hf_secret"}}}
    with pytest.raises(EvaluationError, match="no route to the hub") as e:
        harness([]).run(asked, target("http://127.0.0.1:9/v1"))
    assert e.value.kind == "dataset"
    assert "give tasks.gsm8k.dataset" in e.value.message
    assert "hf_secret" not in e.value.message


def test_the_hub_is_closed(harness: Any) -> None:
    world = harness([])
    world.sets["https://huggingface.co"] = "closed"
    with pytest.raises(EvaluationError, match=r"huggingface\.co is closed"):
        world.run({"type": "gsm8k"}, target("http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(
    ("kind", "rows", "path", "given", "words"),
    [
        ("mmlu_anatomy", SUBJECTS, "/chat/completions", {}, "end in /completions"),
        ("mmlu_anatomy", SUBJECTS, "", {}, "no logprobs of the prompt"),
        ("gsm8k", SUMS, "/completions", {"model_type": "chat"}, "cannot go to"),
        ("gsm8k", SUMS, "/completions", {"apply_chat_template": True}, "params.extra.tokenizer"),
        ("gsm8k", [{"text": "x"}], "", {}, "question"),
        ("gsm8k", SUMS[:3], "", {"num_fewshot": 5}, "lm-eval cannot run gsm8k"),
        ("humaneval_64", SUMS, "", {}, "in a sandbox"),
        ("mmlu_humanities", SUBJECTS, "", {}, "a folder for each"),
    ],
)
def test_what_cannot_be_done(
    harness: Any, kind: str, rows: Any, path: str, given: dict[str, Any], words: str
) -> None:
    with Endpoint(reply="words") as endpoint, pytest.raises(EvaluationError, match=words):
        harness(rows).run(config(kind, **given), target(endpoint.url + path))


def test_params_win_over_the_tasks(harness: Any) -> None:
    world = harness(SUMS)
    asked = config("gsm8k", num_fewshot=0, top_k=1)
    asked["params"] |= {"limit_samples": 3, "max_tokens": 7, "stop": "END"}
    model = target("")
    model["model"]["prompt"] = {"inference_params": {"temperature": 0.5}, "system_prompt": "Add."}
    with Endpoint(reply=add) as endpoint:
        model["model"]["api_endpoint"]["url"] = endpoint.url
        result = world.run(asked, model)
        bodies = [r.body for r in endpoint.requests]
    assert len(bodies) == 3
    assert world.emit.steps[-1] == (3, 3)
    assert {k: bodies[0][k] for k in ("max_tokens", "temperature", "top_k", "seed")} == {
        "max_tokens": 7, "temperature": 0.5, "top_k": 1, "seed": 1234,
    }  # fmt: skip
    assert bodies[0]["stop"] == ["END", "Question:", "</s>", "<|im_end|>"]
    assert [m["role"] for m in bodies[0]["messages"]] == ["system", "user"]
    assert result["tasks"]["gsm8k"]["data"]["usage"]["samples"] == 3
