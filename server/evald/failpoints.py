"""Places where a test has the server die: as a crash there would end it, with nothing put right.

`EVALD_FAILPOINT=finish.after_commit` ends the process the first time that it gets there,
`finish.after_commit:3` the third time, and `finish.after_commit:3:stop` stops it there, until it is
told to go on. Without the variable nothing happens.
"""

from __future__ import annotations

import os
import signal
from threading import Lock

VARIABLE = "EVALD_FAILPOINT"
STATUS = 86
"""Exit status of a process that ended so."""

STEPS = (
    *("create", "hold", "claim", "renew", "record", "publish", "finish", "release", "rescue"),
    *("cancel", "delete", "alive", "leave"),
)
"""What is committed of jobs, and of the servers that run them."""

NAMES = tuple(f"{step}.{side}" for step in STEPS for side in ("before_commit", "after_commit"))

_wanted, _count, _deed, *_ = *os.environ.get(VARIABLE, "").split(":"), "", ""
_left = int(_count or 1)
_lock = Lock()


def failpoint(name: str) -> None:
    """Ends or stops the process when the variable names this place."""
    global _left
    if name != _wanted:
        return
    with _lock:
        _left -= 1
        if _left == 0 and _deed == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif _left == 0:
            os._exit(STATUS)
