"""A program that passes only in a sandbox that holds."""

SOURCE = """
import os, socket
status = open("/proc/self/status").read()
for name in ("CapPrm", "CapEff"):
    assert int(status.split(name + ":")[1].split()[0], 16) == 0, "it has capabilities"
assert "NoNewPrivs:\\t1" in status, "it can get privileges"
assert os.getuid() != 0, "it is root"
assert [name for _, name in socket.if_nameindex()] == ["lo"], "it has a network"
for place in ("/", "/usr", "/dev"):
    try:
        open(place + "/written", "w")
    except OSError:
        continue
    raise AssertionError(place + " can be written to")
started = []
try:
    for _ in range(200):
        pid = os.fork()
        if not pid:
            os.read(os.pipe()[0], 1)
        started.append(pid)
    raise AssertionError("processes are not limited")
except BlockingIOError:
    for pid in started:
        os.kill(pid, 9)
"""
