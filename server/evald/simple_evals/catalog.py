"""The benchmarks of simple-evals by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evald.simple_evals import grade_school
from evald.simple_evals.benchmark import Benchmark, File
from evald.simple_evals.choices import BODY, LISTED, Gpqa, GpqaBoxed, Mmlu, MmluPro
from evald.simple_evals.factuality import SimpleQa
from evald.simple_evals.mathematics import BOXED, LAST_BOXED, Mathematics

PREFIX = "simple_evals."
"""Before a name that another flow has too."""

TAKEN = ("mgsm", "mmlu", "mmlu_pro")
"""Names that are lm-eval's here."""

GLOBAL = (
    "am", "ar", "bn", "cs", "de", "el", "en", "es", "fa", "fil", "fr", "ha", "he", "hi", "id",
    "ig", "it", "ja", "ko", "ky", "lt", "mg", "ms", "ne", "nl", "ny", "pl", "pt", "ro", "ru",
    "si", "sn", "so", "sr", "sv", "sw", "te", "tr", "uk", "vi", "yo",
)  # fmt: skip
LITE = (
    "ar", "bn", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "my", "pt", "sw", "yo", "zh",
)  # fmt: skip
"""Languages of Global-MMLU, and of its smaller edition."""

ANSWER = r"(?i)[*_]{0,2}Answer[*_]{0,2}\s*:[\s*_]{0,2}\s*([A-Z])(?![a-zA-Z0-9])"
BEST = r"(?i)(?:the )?best? answer is\s*[*_,{}.]*([A-D])(?![a-zA-Z0-9])"

AA_V2 = ((ANSWER, 1),)
LLAMA_4 = ((ANSWER, 1), (BEST, 1))
AA_V3 = (
    (ANSWER, 1),
    (r"\\boxed\{[^}]*([A-Z])[^}]*\}", 1),
    (r"answer is ([a-zA-Z])", 1),
    (r"answer is \(([a-zA-Z])\)", 1),
    (r"([A-Z])\)\s*[^A-Z]*", 1),
    (r"([A-Z])\s+is\s+the\s+correct\s+answer", 1),
    (r"([A-Z])\s*$", 1),
    (r"([A-Z])\s*\.", 1),
    (r"([A-Z])\s*[^\w]", 1),
)
"""Expressions that find the letter of a choice, the first that is there, in its last
place; each with the group that is the letter."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A benchmark, with a prompt and expressions for answers in place of its own."""

    benchmark: Benchmark
    prompt: str | None = None
    patterns: Sequence[tuple[str, int]] = ()


def hub(name: str, split: str | None = None, **fields: str) -> File:
    """A data set at the Hub, with fields for all of its rows."""
    found: dict[str, object] = {"files_url": f"hf://datasets/{name}", "fields": fields}
    return found | ({"split": split} if split else {})


MATH_500 = Mathematics((hub("HuggingFaceH4/MATH-500"),))
AIME_2024 = Mathematics((hub("AI-MO/aimo-validation-aime"),), year="2024")
AIME_2025 = Mathematics((hub("opencompass/AIME2025"),))
DIAMOND = Gpqa((hub("Idavidrein/gpqa/gpqa_diamond.csv"),))
MMLU = Mmlu((hub("cais/mmlu/all", "test"),))
MMLU_PRO = MmluPro((hub("TIGER-Lab/MMLU-Pro", "test"),))


def boxed(benchmark: Mathematics, repeats: int) -> Variant:
    """With the answer in a box, as Artificial Analysis asks."""
    return Variant(replace(benchmark, prompt=BOXED, symbols_first=True, repeats=repeats))


def nemo(benchmark: Mathematics, repeats: int) -> Variant:
    return Variant(replace(benchmark, prompt=LAST_BOXED, repeats=repeats))


def mgsm(*languages: str) -> Variant:
    return Variant(
        grade_school.Mgsm(
            tuple(hub(f"juletxara/mgsm/{lang}", "test", lang=lang) for lang in languages)
        )
    )


def mmlu(folder: str) -> Variant:
    return Variant(Mmlu((hub(folder, "test"),)))


CATALOG: Mapping[str, Variant] = {
    "AIME_2024": Variant(AIME_2024),
    "AIME_2025": boxed(AIME_2025, 10),
    "AIME_2025_aa_v2": boxed(AIME_2025, 10),
    "AA_AIME_2024": boxed(AIME_2024, 10),
    "AA_math_test_500": boxed(MATH_500, 3),
    "aime_2024_nemo": nemo(AIME_2024, 10),
    "aime_2025_nemo": nemo(AIME_2025, 10),
    "math_test_500": Variant(MATH_500),
    "math_test_500_nemo": nemo(MATH_500, 3),
    "gpqa_diamond": Variant(DIAMOND),
    "gpqa_extended": Variant(Gpqa((hub("Idavidrein/gpqa/gpqa_extended.csv"),))),
    "gpqa_main": Variant(Gpqa((hub("Idavidrein/gpqa/gpqa_main.csv"),))),
    "gpqa_diamond_nemo": Variant(GpqaBoxed(DIAMOND.files, 5)),
    "gpqa_diamond_aa_v2": Variant(replace(DIAMOND, repeats=5), None, AA_V2),
    "gpqa_diamond_aa_v2_llama_4": Variant(replace(DIAMOND, repeats=5), None, LLAMA_4),
    "gpqa_diamond_aa_v3": Variant(replace(DIAMOND, repeats=5), LISTED % "A/B/C/D" + BODY, AA_V3),
    "simpleqa": Variant(SimpleQa((hub("basicv8vc/SimpleQA"),))),
    "mgsm": mgsm(*grade_school.LANGUAGES),
    "mgsm_aa_v2": mgsm(*grade_school.LANGUAGES),
    **{f"mgsm_{lang}": mgsm(lang) for lang in grade_school.LANGUAGES},
    "mmlu": Variant(MMLU),
    "mmlu_llama_4": Variant(MMLU, None, LLAMA_4),
    **{f"mmlu_{lang}": mmlu(f"CohereLabs/Global-MMLU/{lang}") for lang in GLOBAL},
    **{f"mmlu_{lang}-lite": mmlu(f"CohereLabs/Global-MMLU-Lite/{lang}") for lang in LITE},
    "mmlu_pro": Variant(MMLU_PRO),
    "mmlu_pro_aa_v2": Variant(MMLU_PRO),
    "mmlu_pro_llama_4": Variant(MMLU_PRO, None, LLAMA_4),
    "mmlu_pro_aa_v3": Variant(MMLU_PRO, LISTED % "A/B/C/D/E/F/G/H/I/J" + BODY, AA_V3),
}
