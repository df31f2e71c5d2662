"""Programs that do harm where they can, and fail where they cannot.

`{secret}`, `{port}`, `{folder}`, `{socket}` and `{victim}` stand for what a test puts in their way:
a word in a file and in the environment, a TCP port and the name of a local socket that somebody
listens at, a folder that everybody may write into, and a process. A program raises when it has done
no harm.
"""

PROGRAMS = {
    "forks without end": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "starts threads without end": """
import threading, time
while True:
    try:
        threading.Thread(target=time.sleep, args=[1000], daemon=True).start()
    except RuntimeError:
        pass
""",
    "fills memory": "x = []\nwhile True: x.append(bytearray(2**26))",
    "fills memory from many processes": """
import os, time
for _ in range(20):
    if os.fork() == 0:
        x = bytearray(b"x") * (200 * 2**20)
        time.sleep(1000)
time.sleep(1000)
""",
    "fills shared memory": """
import mmap, os, time
for _ in range(20):
    if os.fork() == 0:
        x = mmap.mmap(-1, 200 * 2**20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(1000)
time.sleep(1000)
""",
    "hides memory in System V": """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
if c.shmget(0, 2**30, 0o1600) < 0: raise OSError(ctypes.get_errno())
""",
    "hides memory in anonymous files": "import os; os.memfd_create('x')",
    "fills the disk": """
import os
for place in ("/", "/usr", "/dev", "/tmp", "/dev/shm", {folder!r}):
    try:
        for i in range(10**6):
            with open(f"{{place}}/{{i}}", "wb") as f: f.write(bytes(2**20))
    except OSError as e:
        print(place, e)
raise SystemExit(1)
""",
    "writes a file without end": """
with open("/tmp/x", "wb") as f:
    while True: f.write(bytes(2**20))
""",
    "reads /etc/shadow": "print(open('/etc/shadow').read())",
    "reads every file for a secret": """
import os
found = []
for top, _, files in os.walk("/"):
    if top.startswith(("/proc", "/usr", "/root/.pyenv", "/packages")): continue
    for name in files:
        try:
            if {secret!r}[:9] in open(os.path.join(top, name), errors="replace").read():
                found.append(name)
        except OSError: pass
print(found)
assert any(name.endswith("secret") for name in found)
""",
    "reads every environment and command": """
import glob, os
texts = [str(os.environ)]
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try: texts.append(open(path).read())
    except OSError: pass
found = [t for t in texts if "EVALD_" in t or "SECRET" in t]
print(found)
assert found
""",
    "connects": "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=1)",
    "connects to a local socket": """
import socket
for name in ({socket!r}, "\\0" + {socket!r}):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(name)
        break
    except OSError as e: print(e)
else:
    raise SystemExit(1)
""",
    "connects to the host of a virtual machine": "import socket; socket.socket(40)",
    "resolves a name": "import socket; socket.getaddrinfo('example.com', 80)",
    "traces its parent": """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
if c.ptrace(16, os.getppid(), 0, 0) < 0: raise OSError(ctypes.get_errno())
""",
    "makes a namespace": """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
if c.unshare(0x10000000) < 0: raise OSError(ctypes.get_errno())
""",
    "mounts": """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
if c.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0: raise OSError(ctypes.get_errno())
""",
    "becomes root": "import os; os.setuid(0)",
    "makes a device": "import os, stat; os.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, 0xfe00)",
    "changes the kernel": "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
    "changes a library": "import os; open(os.__file__, 'a').write('raise SystemExit')",
    "writes through a symbolic link": """
import os
os.symlink({folder!r}, "/tmp/out")
open("/tmp/out/written", "w").write("x")
""",
    "writes beyond its root": """
import os
fd = os.open("/", os.O_RDONLY)
for _ in range(20): os.chdir("..")
open({folder!r}[1:] + "/written", "w").write("x")
""",
    "kills its parent": """
import os
for pid in (os.getppid(), 1, {victim}): os.kill(pid, 9)
""",
    "kills all": "import os; os.kill(-1, 9); raise SystemExit(1)",
    "kills by number": """
import os
done = 0
for pid in range(2, 70000):
    if pid != os.getpid():
        try:
            os.kill(pid, 9)
            done += 1
        except OSError: pass
assert done
""",
    "stops": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "sleeps": "import time; time.sleep(1000)",
    "ignores signals": """
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    "prints without end": "while True: print('x' * 10000)",
    "leaves a daemon": """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        time.sleep(1000)
    os._exit(0)
sys.exit(0)
""",
    "closes everything": "import os, time; os.closerange(0, 1000); time.sleep(1000)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "says that it has passed": """
import os
for fd in range(3, 100):
    try: os.write(fd, b"ready passed")
    except OSError: pass
os._exit(0)
""",
    "fills every pipe": """
import os
while True:
    for fd in range(3, 100):
        try: os.write(fd, bytes(2**16))
        except OSError: pass
""",
    "exits early": "import os; os._exit(0)",
    "exits early, politely": "raise SystemExit(0)",
    "is no program": "def",
    "is not to be compiled": "(" * 10000 + ")" * 10000,
    "has characters that are none": "print('\udc00')",
}
