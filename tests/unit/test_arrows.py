"""Imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import evald

ROOT = Path(evald.__file__).parent

ALLOWED = {
    "commands": {
        "commands",
        "catalog",
        "clients",
        "domain",
        "executor",
        "registry",
        "store",
        "suggest",
        "worker",
        "errors",
        "settings",
    },
    "domain": {"domain", "checkpoints", "fields", "statistics", "errors"},
    "rpc": {"rpc", "domain", "deadline", "errors", "settings"},
    "store": {"store", "domain", "deadline", "errors", "failpoints", "settings"},
    "executor": {
        "executor",
        "domain",
        "failpoints",
        "processes",
        "errors",
        "settings",
        "__version__",
    },
    "retrieval": {
        "tasks",
        "retrieval",
        "metrics",
        "model",
        "rag",
        "suggest",
        "vectors",
        "errors",
    },
    "bfcl": {"bfcl", "suggest", "errors"},
    "code": {"code", "processes", "model", "suggest", "errors"},
    "harness": {"harness", "model", "tasks", "errors"},
    "simple_evals": {"simple_evals", "metrics", "errors"},
    "safety": {"safety", "metrics", "model", "errors"},
    "judging": {
        "judging",
        "metrics",
        "model",
        "guard",
        "structured",
        "tasks",
        "templates",
        "errors",
    },
    "agents": {"agents", "jsons", "judging", "metrics", "tasks", "errors"},
    "rag": {"rag", "judging", "metrics", "model", "tasks", "errors"},
    "flows": {
        "flows",
        "agents",
        "bfcl",
        "checkpoints",
        "judging",
        "metrics",
        "rag",
        "clients",
        "code",
        "guard",
        "harness",
        "registry",
        "retrieval",
        "safety",
        "simple_evals",
        "model",
        "tasks",
        "templates",
        "statistics",
        "suggest",
        "vectors",
        "errors",
    },
    "metrics": {
        "metrics",
        "jsons",
        "model",
        "guard",
        "structured",
        "templates",
        "suggest",
        "tasks",
        "errors",
    },
    "local": {"local", "errors"},
    "clients": {
        "clients",
        "checkpoints",
        "fields",
        "jsons",
        "local",
        "model",
        "errors",
        "settings",
        "vectors",
    },
}
"""What each folder may import of evald. `executor/child.py` composes the child, as `app.py` does
the server."""

COMPOSES = {
    "executor/child.py": {"flows.flow", "checkpoints", "clients", "registry", "tasks"},
    "executor/emitter.py": {"flows.flow"},
}

ONLY_IN = {
    "sqlmodel": {"store"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "evaluation": {"rpc"},
    "grpc": {"rpc"},
    "google": {"rpc"},
    "aiohttp": {"clients", "local/server.py"},
    "huggingface_hub": {"clients"},
    "fsspec": {"clients"},
    "bfcl_eval": {"bfcl"},
    "tree_sitter": {"bfcl"},
    "lm_eval": {"harness"},
    "math_verify": {"simple_evals/compare.py"},
    "milvus_lite": {"clients/milvus.py"},
    "pymilvus": {"clients/milvus.py"},
    "pynvml": {"executor"},
    "pytrec_eval": {"retrieval/measures.py"},
    "ray": {"executor/cluster.py", "executor/inventory.py"},
    "torch": {"local"},
    "transformers": {"local"},
}

FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    name = path.relative_to(ROOT)
    folder = name.parts[0] if len(name.parts) > 1 else ""
    for imported in imports(path):
        package, _, rest = imported.partition(".")
        if package == "evald" and folder:
            allowed = ALLOWED[folder] | COMPOSES.get(name.as_posix(), set())
            assert any(f"{rest}.".startswith(f"{a}.") for a in allowed), imported
        if package in ONLY_IN:
            assert ONLY_IN[package] & {folder, name.as_posix()}, imported
