"""Other languages run by their own toolchains, where these are installed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from evald.code.bubblewrap import Bubblewrap
from evald.code.languages import LANGUAGES, places_of
from evald.errors import EvaluationError

PROGRAMS = {
    "sh": "square() { echo $(($1 * $1)); }; [[ $(square 3) = 9 ]] || exit 1",
    "js": "const square = n => n * n; require('assert').equal(square(3), 9)",
    "pl": "sub square { return $_[0] * $_[0]; }\nsquare(3) == 9 or exit 1;",
    "php": "<?php function square($n) { return $n * $n; } if (square(3) != 9) exit(1);",
    "rb": "def square(n) n * n end\nsquare(3) == 9 or exit 1",
    "lua": "function square(n) return n * n end\nif square(3) ~= 9 then os.exit(1) end",
    "cpp": (
        "#include <cassert>\nint square(int n) { return n * n; }\n"
        "int main() { assert(square(3) == 9); }"
    ),
    "rs": "fn square(n: i32) -> i32 { n * n }\nfn main() { assert_eq!(square(3), 9); }",
    "java": (
        "class Problem { static int square(int n) { return n * n; }\n"
        "public static void main(String[] a) { assert square(3) == 9; } }"
    ),
    "go": (
        'package main\nimport "testing"\nfunc square(n int) int { return n * n }\n'
        'func TestSquare(t *testing.T) { if square(3) != 9 { t.Fatal("no") } }'
    ),
}


@pytest.mark.parametrize("end", PROGRAMS)
def test_right_programs_pass_and_wrong_ones_do_not(end: str) -> None:
    language = LANGUAGES[end]
    try:
        replace(language, needs=()).check()
    except EvaluationError as e:
        pytest.skip(e.message)

    async def run(*sources: str) -> list[str]:
        sandbox = Bubblewrap()
        programs = [language.program(source) for source in sources]
        outcomes = await asyncio.gather(*(sandbox.run(p, language.limits(20)) for p in programs))
        return [f"{outcome.verdict} {outcome.output}" for outcome in outcomes]

    right = PROGRAMS[end]
    passed, failed = asyncio.run(run(right, right.replace("* n", "+ n").replace("* $", "+ $")))
    assert passed.startswith("passed"), passed
    assert failed.startswith("failed"), failed


def test_words_that_tell_a_failure() -> None:
    program = LANGUAGES["pl"].program("print 'ERROR';")
    assert program.alarms == ("ERROR",)
    limits = LANGUAGES["pl"].limits(20)
    assert asyncio.run(Bubblewrap().run(program, limits)).verdict == "failed"


@pytest.mark.parametrize(
    ("tool", "places"),
    [
        ("/usr/bin/perl", []),
        ("/usr/local/bin/lua", ["/usr/local/bin", "/usr/local/lib", "/usr/local/share"]),
        ("/usr/local/go/bin/go", ["/usr/local/go"]),
        ("/opt/julia/bin/julia", ["/opt/julia"]),
        ("/home/user/.cargo/bin/rustc", []),
    ],
)
def test_of_a_home_folder_nothing_is_seen(tool: str, places: list[str]) -> None:
    assert [str(place) for place in places_of(Path(tool))] == places
