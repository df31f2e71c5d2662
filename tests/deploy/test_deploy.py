"""The examples in deploy/: that they parse, and that what they name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from evald import __version__, exposure
from evald.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def object_of(kind: str, name: str = "evald") -> dict[str, Any]:
    [found] = [o for o in objects() if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def every(key: str, within: Any) -> Iterator[Any]:
    """The values of a key, however deep."""
    if isinstance(within, dict):
        if key in within:
            yield within[key]
        for value in within.values():
            yield from every(key, value)
    elif isinstance(within, list):
        for value in within:
            yield from every(key, value)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_settings_exist(path: Path) -> None:
    known = {f"EVALD_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"EVALD_\w+", path.read_text())) <= known


def test_ray_up_takes_the_cluster() -> None:
    cluster = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    validate_config(prepare_config(deepcopy(cluster)))
    assert cluster["provider"]["head_ip"] in cluster["head_start_ray_commands"][1]
    address = f"{cluster['provider']['head_ip']}:6379"
    assert f"EVALD_RAY_ADDRESS={address}" in cluster["head_setup_commands"][0]


def test_versions() -> None:
    text = "".join(path.read_text() for path in FILES)
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert set(re.findall(r"(?:ray==|rayVersion: |ray:)([\d.]+\d)", text)) == {pinned[1]}
    assert set(re.findall(r"\bevald:([\d.]+\d)", text)) == {__version__}


def test_what_kubernetes_objects_refer_to_is_there() -> None:
    secrets = object_of("Secret")["stringData"]
    for reference in every("secretKeyRef", objects()):
        assert reference["name"] == "evald"
        assert reference["key"] in secrets
    for claim in every("claimName", objects()):
        object_of("PersistentVolumeClaim", claim)
    for pod in every("spec", objects()):
        volumes = {v["name"] for v in pod.get("volumes", [])} | {"data"}
        for container in pod.get("containers", []):
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
    for kind, name in (("Deployment", "evald"), ("StatefulSet", "evald-db")):
        made = object_of(kind, name)["spec"]
        labels = made["template"]["metadata"]["labels"]
        assert made["selector"]["matchLabels"] == labels
        service = object_of("Service", name)["spec"]
        assert service["selector"] == labels
        [container] = made["template"]["spec"]["containers"]
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        for port in service["ports"]:
            assert ports[port["name"]] == port["port"]


def test_the_server_starts_with_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = object_of("Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    secrets = object_of("Secret")["stringData"]
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        value = variable.get("value") or secrets[reference["key"]]
        monkeypatch.setenv(variable["name"], value)
    settings = Settings()
    exposure.check(settings)
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"grpc": settings.grpc_port, "rest": settings.rest_port}
    assert settings.executor == "ray"
    head = object_of("RayCluster")["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert settings.ray_address == f"evald-head-svc:{head['ports'][0]['containerPort']}"
    assert settings.data_dir == Path(container["volumeMounts"][0]["mountPath"])
    [mount] = next(every("workerGroupSpecs", objects()))[0]["template"]["spec"]["containers"][0][
        "volumeMounts"
    ]
    assert Path(mount["mountPath"]) == settings.data_dir / "datasets"
    assert pod["terminationGracePeriodSeconds"] > settings.grace_seconds
    assert secrets["database-password"] in settings.database
