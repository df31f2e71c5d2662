"""Ids: a prefix and the base58 of a random UUID."""

from __future__ import annotations

from uuid import uuid4

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

TARGET = "eval-target"
CONFIG = "eval-config"
JOB = "eval"
RESULT = "evaluation_result"
MODEL = "model"
DATASET = "dataset"


def new_id(prefix: str) -> str:
    """A fresh id such as `eval-Akk2TPTzp96YCQjyvaJsMt`."""
    number = uuid4().int
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(ALPHABET[digit])
    return f"{prefix}-{''.join(reversed(digits)).rjust(21, ALPHABET[0])}"
