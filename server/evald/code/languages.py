"""Languages that programs may be in, besides Python, and the toolchains that run them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evald.code.program import MIB, Limits, Program
from evald.errors import EvaluationError

MEMORY = 2048 * MIB
DISK = 256 * MIB
PROCESSES = 256
"""Compilers and virtual machines need more of them than what they run."""

LOCAL = Path("/usr/local")

JAR = "/usr/share/java/javatuples.jar"
"""Tests in Java use it."""


@dataclass(frozen=True, slots=True)
class Language:
    """The name of the file that a program goes into, the commands that it is compiled and run by,
    and what files of the machine these need besides their own folders, those in /etc as patterns.

    `trial` is a program that passes wherever tests of MultiPL-E can run, for it uses the libraries
    that they use. `alarms` are words in what a program prints that mean that it has failed.
    """

    name: str
    file: str
    commands: tuple[tuple[str, ...], ...]
    trial: str
    needs: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises EvaluationError of kind `sandbox` when something is not installed here."""
        missing = [tool for tool in self._tools() if not is_installed(tool)]
        missing += [need for need in self.needs if not Path(need).exists()]
        if missing:
            raise self.missing(f"{', '.join(missing)} is not there, below /usr or /opt")

    def missing(self, why: str) -> EvaluationError:
        """What to say where programs in this language cannot run."""
        return EvaluationError(
            "sandbox",
            f"programs in {self.name} cannot run on the machine that runs the job: {why}; install "
            "what is missing there",
        )

    def program(self, source: str) -> Program:
        """A program in this language."""
        return Program(
            files={self.file: source},
            commands=self.commands,
            places=[*self.needs, *self._places()],
            alarms=self.alarms,
        )

    def limits(self, seconds: int) -> Limits:
        """Limits of a program that may take so many seconds of processor time."""
        return Limits(
            cpu=seconds,
            wall=3.0 * seconds,
            memory=MEMORY,
            disk=DISK,
            processes=PROCESSES,
            reserves=True,
        )

    def _tools(self) -> Iterator[str]:
        """The machine's programs among the commands."""
        for command in self.commands:
            tool = next(word for word in command if word != "env" and "=" not in word)
            if not tool.startswith("./"):
                yield tool

    def _places(self) -> Iterator[str]:
        """Where toolchains lie that are not among the system's, and their settings."""
        for tool in self._tools():
            if found := shutil.which(tool):
                yield from map(str, places_of(Path(found)))
        for pattern in self.settings:
            yield from map(str, Path("/etc").glob(pattern))


def is_installed(tool: str) -> bool:
    """Whether the machine has a tool that programs in the sandbox can see."""
    found = shutil.which(tool)
    return found is not None and (
        Path(found).resolve().is_relative_to("/usr") or bool(places_of(Path(found)))
    )


def places_of(tool: Path) -> list[Path]:
    """The folders of a tool that is not the system's own; [] for one that is, and for one in a home
    folder, where there is more than others may see."""
    prefix = tool.resolve().parent.parent
    if prefix == LOCAL:
        return [prefix / name for name in ("bin", "lib", "share")]
    return [prefix] if prefix.is_relative_to(LOCAL) or prefix.is_relative_to("/opt") else []


LANGUAGES: Mapping[str, Language] = {
    "cpp": Language(
        "C++",
        "program.cpp",
        (("g++", "-std=c++17", "program.cpp", "-o", "p"), ("./p",)),
        "int main() {}",
    ),
    "cs": Language(
        "mono",
        "program.cs",
        (
            ("mcs", "-d:DEBUG", "-r:System.Numerics.dll", "program.cs", "-out:p"),
            ("env", "MONO_TRACE_LISTENER=Console.Error", "mono", "p"),
        ),
        "class Problem { static void Main() {} }",
        alarms=("Fail:",),
        settings=("mono",),
    ),
    "d": Language("D", "program.d", (("rdmd", "-unittest", "program.d"),), "void main() {}"),
    "go": Language(
        "go",
        "program_test.go",
        (("go", "test", "program_test.go"),),
        'package main\nimport "testing"\nfunc TestNothing(t *testing.T) {}\n',
    ),
    "java": Language(
        "java",
        "Problem.java",
        (
            ("javac", "-J-XX:+UseSerialGC", "-encoding", "UTF8", "-cp", JAR, "Problem.java"),
            ("java", "-XX:+UseSerialGC", "-Xmx512m", "-ea", "-cp", f".:{JAR}", "Problem"),
        ),
        "import org.javatuples.*;\nclass Problem { public static void main(String[] a) {} }",
        needs=(JAR,),
        settings=("java-*",),
    ),
    "jl": Language(
        "julia", "program.jl", (("julia", "program.jl"),), "using Test", settings=("julia",)
    ),
    "js": Language("JavaScript", "program.js", (("node", "program.js"),), "require('assert')"),
    "lua": Language("lua", "program.lua", (("lua", "program.lua"),), "require('luaunit')"),
    "php": Language(
        "php",
        "program.php",
        (("php", "program.php"),),
        "<?php",
        alarms=("PHP Parse error",),
        settings=("php",),
    ),
    "pl": Language(
        "perl",
        "program.pl",
        (("perl", "program.pl"),),
        "use Test::Deep;",
        alarms=("ERROR",),
        settings=("perl",),
    ),
    "r": Language(
        "R", "program.r", (("Rscript", "program.r"),), "quit(status = 0)", settings=("R",)
    ),
    "rb": Language("ruby", "program.rb", (("ruby", "program.rb"),), "require 'test/unit'"),
    "rkt": Language(
        "racket",
        "program.rkt",
        (("raco", "test", "program.rkt"),),  # `racket` exits with 0 where tests have failed
        "#lang racket\n(require rackunit)",
    ),
    "rs": Language(
        "rust", "program.rs", (("rustc", "program.rs", "-o", "p"), ("./p",)), "fn main() {}"
    ),
    "scala": Language(
        "scala",
        "program.scala",
        (("scalac", "program.scala"), ("scala", "Problem")),
        "object Problem extends App {}",
    ),
    "sh": Language("bash", "program.sh", (("bash", "program.sh"),), "true"),
    "swift": Language(
        "swift", "program.swift", (("swiftc", "program.swift", "-o", "p"), ("./p",)), "print(0)"
    ),
    "ts": Language(
        "TypeScript",
        "program.ts",
        (("tsc", "--target", "esnext", "program.ts"), ("node", "program.js")),
        "declare var require: any;\nrequire('assert')",
    ),
}
"""By the ends of MultiPL-E's names. Files and commands are those of its own evaluation."""
