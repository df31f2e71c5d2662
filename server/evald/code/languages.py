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

JAVATUPLES = "/usr/share/java/javatuples.jar"


@dataclass(frozen=True, slots=True)
class Language:
    """The name of the file that a program goes into, the commands that it is compiled and run by,
    and what files of the machine these need besides their own folders."""

    name: str
    file: str
    commands: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises EvaluationError of kind `sandbox` when something is not installed here."""
        tools = [command[0] for command in self.commands if not command[0].startswith("./")]
        missing = [tool for tool in tools if not shutil.which(tool)]
        missing += [need for need in self.needs if not Path(need).exists()]
        if missing:
            raise EvaluationError(
                "sandbox",
                f"programs in {self.name} need {', '.join(missing)}, which is not installed on "
                "the machine that runs the job; install it there",
            )

    def program(self, source: str) -> Program:
        """A program in this language."""
        places = [*self.needs, *self._places()]
        return Program(files={self.file: source}, commands=self.commands, places=places)

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

    def _places(self) -> Iterator[str]:
        """Where toolchains lie that are not among the system's, and their settings."""
        for command in self.commands:
            found = shutil.which(command[0])
            if not found:
                continue
            if not Path(found).is_relative_to("/usr/bin"):
                yield str(Path(found).resolve().parent.parent)
        yield from map(str, Path("/etc").glob(f"{self.name}*"))


def _interpreted(name: str, file: str, *command: str) -> Language:
    return Language(name, file, ((*command, file),))


LANGUAGES: Mapping[str, Language] = {
    "cpp": Language(
        "cpp", "program.cpp", (("g++", "-std=c++17", "program.cpp", "-o", "p"), ("./p",))
    ),
    "cs": Language(
        "cs", "program.cs", (("mcs", "-d:DEBUG", "program.cs", "-out:p"), ("mono", "p"))
    ),
    "d": Language("d", "program.d", (("rdmd", "-unittest", "program.d"),)),
    "go": Language("go", "program_test.go", (("go", "test", "program_test.go"),)),
    "java": Language(
        "java",
        "Problem.java",
        (
            ("javac", "-J-XX:+UseSerialGC", "-cp", JAVATUPLES, "Problem.java"),
            ("java", "-XX:+UseSerialGC", "-Xmx512m", "-ea", "-cp", f".:{JAVATUPLES}", "Problem"),
        ),
        needs=(JAVATUPLES,),
    ),
    "jl": _interpreted("julia", "program.jl", "julia"),
    "js": _interpreted("js", "program.js", "node"),
    "lua": _interpreted("lua", "program.lua", "lua"),
    "php": _interpreted("php", "program.php", "php"),
    "pl": _interpreted("perl", "program.pl", "perl"),
    "r": _interpreted("R", "program.r", "Rscript"),
    "rb": _interpreted("ruby", "program.rb", "ruby"),
    "rkt": _interpreted("racket", "program.rkt", "racket"),
    "rs": Language("rust", "program.rs", (("rustc", "program.rs", "-o", "p"), ("./p",))),
    "scala": Language(
        "scala", "program.scala", (("scalac", "program.scala"), ("scala", "Problem"))
    ),
    "sh": _interpreted("sh", "program.sh", "bash"),
    "swift": Language("swift", "program.swift", (("swiftc", "program.swift", "-o", "p"), ("./p",))),
    "ts": Language("ts", "program.ts", (("tsc", "program.ts"), ("node", "program.js"))),
}
"""By the ends of MultiPL-E's names. Files and commands are those of its own evaluation."""
