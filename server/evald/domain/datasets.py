"""Data sets that are given by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evald.domain.documents import HOLDERS, Document
from evald.domain.references import parse_reference

STORE = "hf://datasets/"


def files_url(name: str, field: str = "dataset") -> str:
    """Where the files of a data set are that is given as `namespace/name`, or as one of its files,
    `namespace/name/path`; a URL stays as it is. Raises InvalidArgument naming `field`."""
    if "://" in name:
        return name
    parts = name.split("/", 2)
    found = parse_reference("/".join(parts[:2]), field)
    return "/".join([f"{STORE}{found}", *filter(None, parts[2:])])


def with_files(document: Mapping[str, Any]) -> Document:
    """A target or config whose data sets all say where their files are.

    Raises InvalidArgument.
    """
    made = dict(document)
    for key, value in document.items():
        if key == "dataset" and isinstance(value, str):
            made[key] = {"files_url": files_url(value)}
        elif key == "tasks" and isinstance(value, Mapping):
            made[key] = {name: with_files(task) for name, task in value.items()}
        elif key in HOLDERS and isinstance(value, Mapping):
            made[key] = with_files(value)
    return made
