"""Takes secrets out of text that people will read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import orjson

MASK = "******"

SNIPPET = 300
"""Characters of a remote answer that an error message shows."""

SHORTEST = 4
"""Secrets shorter than this are not searched for: they would blot out ordinary words."""

LEAST_KEY = 8
"""Characters of a key that is looked for in what models answer. A shorter one stands for none, as
`EMPTY`, `none` or `test` do: to take such words out would change answers."""

VALUE = r"""[^\s"',;&}]+"""
"""The rest of a value, wherever it stands: in a header, a URL, JSON or a shell's command line."""

NAMES = (
    r"(?:[a-z0-9]{1,32}[_-]){0,8}(?:api[_-]?key|(?:access|auth|hf|id|refresh)[_-]?token"
    r"|secret(?:[_-]?access)?[_-]?key|client[_-]?secret|password|passwd)"
)

# Repetitions are bounded, so that no text takes more than linear time.
LOOKS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (
            rf"""((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|token)\s+)?{VALUE}""",
            rf"\1{MASK}",
        ),
        (r"\b(bearer|basic)\s+[a-z0-9._~+/-]{8,}=*", rf"\1 {MASK}"),
        (rf"""\b({NAMES}["']?\s*[:=]\s*["']?){VALUE}""", rf"\1{MASK}"),
        (rf"([?&](?:code|key|sig|signature|token)=){VALUE}", rf"\1{MASK}"),
        # user and password in a URL
        (r"\b([a-z][a-z0-9+.-]{0,31}://)[^\s/@:]{0,256}:[^\s/@]{1,1024}@", rf"\1{MASK}@"),
        # keys that say by their beginning what they are, and our own sealed values
        (r"\b(?:sk|nvapi|hf|ghp|xox[abp])[-_][a-z0-9_-]{16,}", MASK),
        (r"\bevald_[1-9a-z]{40,}", MASK),
        (r"\benc:v1:[a-z0-9_=-]+", MASK),
    )
)
"""What looks like a secret, and what is shown in its place."""


def keys_of(secrets: Iterable[str]) -> list[str]:
    """The secrets that are looked for in what models answer."""
    return [secret for secret in secrets if len(secret) >= LEAST_KEY]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets, as they are or as URLs and JSON write them, and without
    what looks like an Authorization header, a key or a password."""
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), orjson.dumps(secret).decode()[1:-1]}:
            text = text.replace(form, MASK)
    for pattern, replacement in LOOKS:
        text = pattern.sub(replacement, text)
    return text


def snippet(body: bytes, secrets: Iterable[str] = ()) -> str:
    """The beginning of an untrusted answer, fit for one line of a message."""
    # Redacted before it is cut, so that no secret is left in halves; bounded before that.
    text = redact(body[: 16 * SNIPPET].decode("utf-8", "replace"), secrets)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= SNIPPET else text[:SNIPPET] + "..."
