"""Names that were seen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evald.retrieval.names import Names

MANY = """
from pathlib import Path
from evald.retrieval.names import Names

def peak():
    [line] = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1])

names = Names()
before = peak()
for i in range(150_000):
    assert names.add(f"a document with a long name and the number {i}")
assert len(names) == 150_000 and not names.add("a document with a long name and the number 7")
print(peak() - before)
"""


def test_a_name_is_new_once() -> None:
    names = Names()
    assert [names.add(one) for one in ("a", "b", "a", "A", "\udcff", "\udcff")] == [
        True, True, False, True, True, False,
    ]  # fmt: skip
    assert len(names) == 4
    assert Names().add("a"), "each set is its own"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in /proc")
def test_many_names_take_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", MANY], check=True, stdout=subprocess.PIPE)
    assert int(done.stdout) < 10 * 1024, "KiB"
