"""How languages say "answer", and what they call the choices."""

from __future__ import annotations

import re

from evald.simple_evals import prompts

LETTERS = "[A-Da-dＡ-Ｄأ-دঅবডঢআইঈউঊअ-डА-Да-дΑ-Δα-δא-דㄱ-ㄷ가-다①②③④Ⅰ-Ⅳⅰ-ⅳ٠-٣۰-۳1-4]"  # noqa: RUF001
"""What may stand for a choice in a language that has letters of its own."""

LATIN = dict(zip("أبجدঅবডঢＡＢＣＤ", "ABCD" * 3, strict=True))
"""Letters of the choices in Arabic, Bengali, and full width."""

WORDS = [re.sub(" (.)$", r"\\s*\1", word) for word in prompts.template("answer").splitlines()]
"""How languages announce an answer, the first that is found; before the colon may be space where
the list has one."""

PATTERNS = [re.compile(rf"(?i){word}\s*({LETTERS})") for word in WORDS]


def choice(text: str) -> str | None:
    """The letter after a language's word for "answer"."""
    text = text.replace("\u200b", "")  # Korean replies have some
    for pattern in PATTERNS:
        if found := pattern.search(text):
            return LATIN.get(found[1], found[1])
    return None
