"""Writes what bfcl-eval reads from calls in Java and JavaScript, for tests to hold evald against.

    python bfcl_calls.py > tests/bfcl/parsed_calls.json

It runs in an environment of its own, so it imports nothing of evald's: bfcl-eval parses by an older
tree-sitter than others need. `pip install tree_sitter==0.21.3 tree-sitter-java==0.21.0
tree-sitter-javascript==0.21.4 tenacity filelock` and `pip install --no-deps bfcl-eval==2026.3.23`.
Texts are the right calls of its questions, written as a model would, and changes of them drawn at
random.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bfcl_eval
from bfcl_eval.constants.enums import ReturnFormat
from bfcl_eval.model_handler.utils import default_decode_ast_prompting

SEED = 20261123
CHANGES = 1
"""Of each text."""

DATA = Path(bfcl_eval.__file__).parent / "data"
FORMATS = {"java": ReturnFormat.JAVA, "javascript": ReturnFormat.JAVASCRIPT}
CHARACTERS = "[](){},=.'\"-+1a n;<>"

EXTRAS = {
    "java": [
        "", "I cannot do that.", "f()", "f(a)", "f(a, b)", "f(a=1, a=2)", "f(a=new int[5])",
        "a.b().c(x=1)", "f(x=g(y=1))", "f(x=-5)", "f(x='c')", "f(x=(int) 5)", "f(x=String.class)",
        "f(x=new HashMap<String, Integer>() {{ put(\"a\", 1); }})", "[f(x=1), g(y=2)]", "f(x=null)",
        "f(x=new A(1, \"b\", c.d()))", "f(x=\"a\" + \"b\")", "f(x=y -> y)", "f(x=a.b)", "f(x=5L);",
        "```f(x=true)```", "String s = f(x=1);",
    ],
    "javascript": [
        "", "I cannot do that.", "f()", "f(a)", "f(a, b)", "f(true)", "f(a=1, a=2)", "a.b(x=1)",
        "f(x={'a': [1, 2]})", "f(x=y => y)", "f(x='a')", "f(x=\"a\")", "f(x=`a`)", "f(x=null)",
        "[f(x=1), g(y=2)]", "f(x=1); g(y=2)", "let a = f(x=1)", "await f(x=1)", "f(x=new Date())",
        "f(x=-1)", "f(x=5n)", "f(x=a.b)", "f(x: 1)", "f({x: 1})", "```f(x=true)```",
        "f(x=function(){})",
    ],
}  # fmt: skip


def text_of(name: str, arguments: dict[str, Any], types: dict[str, Any], language: str) -> str:
    """A right call, as a text."""
    given = {k: v[0] for k, v in arguments.items() if v and v[0] != ""}
    written = (f"{k}={literal(v, types[k], language)}" for k, v in given.items())
    return f"{name}({', '.join(written)})"


def literal(value: Any, described: dict[str, Any], language: str) -> str:
    """A value in a language. Names of variables have no quotes."""
    kind = described["type"]
    entries = described.get("items", {"type": "any"})
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value}{ {'long': 'L', 'float': 'f', 'Bigint': 'n'}.get(kind, '') }".strip()
        case str() if kind in ("String", "char") or " " in value:
            return json.dumps(value)
        case list():
            inside = ", ".join(literal(entry, entries, language) for entry in value)
            if language == "javascript":
                return f"[{inside}]"
            of = {"integer": "int", "any": "Object"}.get(entries["type"], entries["type"])
            if kind == "Array":
                return f"new {of}[]{{{inside}}}"
            return f"new ArrayList<{of}>(Arrays.asList({inside}))"
        case dict():
            first = {k: v[0] if isinstance(v, list) and v else v for k, v in value.items()}
            if language == "javascript":
                return json.dumps(first)
            put = " ".join(f'put("{k}", {json.dumps(v)});' for k, v in first.items())
            return f"new HashMap<String, Object>() {{{{ {put} }}}}"
    return str(value)


def changed(text: str, rng: random.Random) -> str:
    characters = list(text)
    for _ in range(rng.randrange(1, 4)):
        index = rng.randrange(len(characters) + 1)
        if rng.random() < 0.5:
            del characters[index : index + 1]
        else:
            characters.insert(index, rng.choice(CHARACTERS))
    return "".join(characters)


def parsed(text: str, language: str) -> Any:
    """The calls; None where there are none to be read."""
    try:
        found = default_decode_ast_prompting(text, FORMATS[language])
    except Exception:
        return None
    return [list(one.items()) for one in found] if isinstance(found, list) else None


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    rng = random.Random(SEED)
    cases = []
    for language in FORMATS:
        name = f"BFCL_v4_simple_{language}.json"
        questions = {row["id"]: row for row in rows(DATA / name)}
        texts = [(None, text) for text in EXTRAS[language]]
        for row in rows(DATA / "possible_answer" / name):
            [(function, arguments)] = row["ground_truth"][0].items()
            types = questions[row["id"]]["function"][0]["parameters"]["properties"]
            text = text_of(function, arguments, types, language)
            texts.append((row["id"], text))
            texts += [(None, changed(text, rng)) for _ in range(CHANGES)]
        for question, text in texts:
            calls = [
                {key: dict(pairs) for key, pairs in call} for call in parsed(text, language) or ()
            ]
            case = {"language": language, "text": text, "calls": calls or None}
            cases.append({**case, "question": question} if question else case)
    packages = ("bfcl-eval", "tree-sitter", "tree-sitter-java", "tree-sitter-javascript")
    versions = {name: version(name) for name in packages}
    lines = ",\n".join(json.dumps(case) for case in cases)
    print(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
