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
TOKEN = "token"


def new_id(prefix: str) -> str:
    """A fresh id such as `eval-Akk2TPTzp96YCQjyvaJsMt`."""
    return f"{prefix}-{base58(uuid4().int, 21)}"


def base58(number: int, width: int) -> str:
    """A number in base 58, with at least so many digits."""
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, ALPHABET[0])
