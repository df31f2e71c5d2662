"""Whether a node of a cluster is fit for an attempt."""

from __future__ import annotations

import json
import socket

from evald import __version__
from evald.executor.backend import ChildDied, JobSpec


def check(version: str, spec: JobSpec) -> None:
    """Raises ChildDied of kind `node` when this node has another evald than the server, whose
    `version` is given, or cannot read the data sets of a spec."""
    if version != __version__:
        raise ChildDied(
            "node",
            f"the Ray node {socket.gethostname()} has evald {__version__}, the server "
            f"{version}; install the same one on all nodes",
        )
    if not spec.clients.data_dir.is_dir() and _is_embedded(spec):
        raise ChildDied(
            "node",
            f"the Ray node {socket.gethostname()} has no {spec.clients.data_dir}, where the data "
            "sets are: mount the server's EVALD_DATA_DIR on all nodes, or keep data sets in a data "
            "store (EVALD_DATA_STORE_URL), in s3:// or on the web",
        )


def _is_embedded(spec: JobSpec) -> bool:
    """Whether a spec names data sets of the embedded store."""
    if spec.clients.data_store_url:
        return False
    return '"hf://' in json.dumps([spec.config, spec.target], default=dict)
