"""Benchmarks of code: what a model is asked, and the program that is made of its reply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evald.code.bubblewrap import Bubblewrap
from evald.code.languages import LANGUAGES, Language
from evald.code.program import Limits, Program
from evald.code.reply import block, until
from evald.errors import EvaluationError
from evald.model import CHAT, COMPLETIONS

Row = Mapping[str, Any]


HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Benchmark(ABC):
    """Problems of one kind. `repository` has them at the Hub; None stands for those that a package
    carries. `seconds` is the processor time that a program may take."""

    repository: str | None
    forms: Sequence[str] = (CHAT, COMPLETIONS)
    seconds: int = 3

    prompt: ClassVar[str]
    """Template of what is to be continued."""

    question: ClassVar[str] = ""
    """Template of what a chat is asked."""

    stops: ClassVar[Sequence[str]] = ()
    """Where a completion ends; of these a request has the first four, which is what OpenAI takes.
    They are cut off here in any case."""

    @property
    def dataset(self) -> dict[str, Any]:
        return {
            "files_url": f"hf://datasets/{self.repository}",
            "hf_endpoint": HUB,
            "split": "test",
        }

    async def probe(self, sandbox: Bubblewrap) -> None:
        """Raises EvaluationError of kind `sandbox` unless programs can run in the sandbox, and are
        kept there."""
        await sandbox.probe()

    @abstractmethod
    def source(self, row: Row, text: str, form: str) -> str:
        """The text of the program with its tests. Raises EvaluationError of kind `dataset` when the
        row lacks a field."""

    def program(self, row: Row, text: str, form: str) -> Program:
        """The program for a reply, as `source`."""
        return Program(self.source(row, text, form))

    def limits(self, seconds: int | None) -> Limits:
        """Limits of a program, for processor time given or usual."""
        cpu = seconds or self.seconds
        return Limits(cpu=cpu, wall=3.0 * cpu + 1)


class HumanEval(Benchmark):
    """HumanEval, and what has its form: rows of `prompt`, `test` and `entry_point`. The prompt is
    the head of a function."""

    prompt = "{{ item.prompt }}"
    question = (
        "Complete the Python function below. Reply with the whole function, its imports included, "
        "in one block of code.\n\n```python\n{{ item.prompt }}\n```"
    )
    stops = ("\nclass", "\ndef", "\n#", "\nif", "\n@", "\nprint", "\n```", "<file_sep>")

    def source(self, row: Row, text: str, form: str) -> str:
        prompt, test, name = (text_of(row, key) for key in ("prompt", "test", "entry_point"))
        if form == COMPLETIONS:
            code = prompt + until(text, self.stops)
        else:
            head = f"def {name}("
            code = block(text, head)
            # What stands before the function, such as imports and helpers, the reply may leave out.
            before, _, _ = prompt.rpartition(head)
            code = before + code if head in code else prompt + code
        return f"{code}\n{test}\ncheck({name})"


class Mbpp(Benchmark):
    """MBPP: rows of `text` (or `prompt`), `test_list`, and perhaps `test_imports` and
    `test_setup_code`. A completion goes on after a docstring with the task and one of its tests."""

    prompt = '"""\n{{ item.text | default(item.prompt) }}\n{{ item.test_list[0] }}\n"""\n'
    question = (
        "You are an expert Python programmer. Your task: {{ item.text | default(item.prompt) }}\n"
        "Your code must pass these tests:\n\n```python\n"
        "{% for test in item.test_list %}{{ test }}\n{% endfor %}```\n\n"
        "Reply with the code, its imports included, in one block of code."
    )
    stops = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")

    def source(self, row: Row, text: str, form: str) -> str:
        imports = row.get("test_imports") or []
        setup = row.get("test_setup_code") or ""
        return "\n".join([*imports, setup, self.code(text, form), *listed(row, "test_list")])

    def code(self, text: str, form: str) -> str:
        return until(text, self.stops) if form == COMPLETIONS else block(text, "def ")


class MbppPlus(Mbpp):
    """MBPP of EvalPlus: `test` is all of the tests, as a program of their own; the model sees the
    first few, of `test_list`."""

    def source(self, row: Row, text: str, form: str) -> str:
        return f"{self.code(text, form)}\n{text_of(row, 'test')}"


@dataclass(frozen=True, slots=True)
class MultiPLE(Benchmark):
    """MultiPL-E, HumanEval in another language: rows of `prompt`, `tests` and `stop_tokens`."""

    language: Language = LANGUAGES["sh"]

    prompt = HumanEval.prompt

    async def probe(self, sandbox: Bubblewrap) -> None:
        self.language.check()
        await sandbox.probe()
        program = self.language.program(self.language.trial)
        outcome = await sandbox.run(program, self.language.limits(60))
        if not outcome.passed:
            raise self.language.missing(outcome.output.strip() or outcome.verdict)

    def source(self, row: Row, text: str, form: str) -> str:
        stops = row.get("stop_tokens") or []
        return f"{text_of(row, 'prompt')}{until(text, stops)}\n{text_of(row, 'tests')}"

    def program(self, row: Row, text: str, form: str) -> Program:
        return self.language.program(self.source(row, text, form))

    def limits(self, seconds: int | None) -> Limits:
        return self.language.limits(seconds or self.seconds)


BENCHMARKS: Mapping[str, Benchmark] = {
    "humaneval": HumanEval(None, (COMPLETIONS,)),
    "humaneval_instruct": HumanEval(None, (CHAT,)),
    "humanevalplus": HumanEval("evalplus/humanevalplus", (COMPLETIONS,), 20),
    "mbpp": Mbpp("google-research-datasets/mbpp/full"),
    "mbppplus": MbppPlus("evalplus/mbppplus", seconds=10),
    "mbppplus_nemo": MbppPlus("evalplus/mbppplus", (CHAT,), 10),
    **{
        f"multiple-{end}": MultiPLE(
            f"nuprl/MultiPL-E/humaneval-{end}", (COMPLETIONS,), 15, language
        )
        for end, language in LANGUAGES.items()
    },
}


def text_of(row: Row, key: str) -> str:
    """A text of a row. Raises EvaluationError of kind `dataset`."""
    value = row.get(key)
    if not isinstance(value, str):
        raise EvaluationError("dataset", f"the row has no text under {key!r}")
    return value


def listed(row: Row, key: str) -> list[str]:
    """A list of texts of a row. Raises EvaluationError of kind `dataset`."""
    value = row.get(key)
    if not isinstance(value, list):
        raise EvaluationError("dataset", f"the row has no list under {key!r}")
    return [str(entry) for entry in value]
