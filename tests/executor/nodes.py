"""A Ray cluster whose nodes are all on this machine, in a process of its own: a head without CPUs,
and nodes of one CPU. Reads `add GPUS`, `kill N` and `kill head`, and answers each by a line: `add`
by the process id of the node's raylet and the node's id. Ends when its standard input does.

    python -m tests.executor.nodes
"""

from __future__ import annotations

import sys
from typing import Any

from ray.cluster_utils import Cluster

ARGUMENTS: dict[str, Any] = {
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 * 2**20,
    "include_dashboard": False,
    "include_log_monitor": False,
}


def main() -> None:
    head = {**ARGUMENTS, "num_cpus": 0, "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes: list[Any] = []
    answer(cluster.address)
    for line in sys.stdin:
        match line.split():
            case ["add", gpus]:
                nodes.append(cluster.add_node(num_cpus=1, num_gpus=int(gpus), **ARGUMENTS))
                [raylet] = nodes[-1].all_processes["raylet"]
                answer(raylet.process.pid, nodes[-1].node_id)
            case ["kill", "head"]:
                cluster.head_node.kill_gcs_server(check_alive=False)
                answer("killed")
            case ["kill", number]:
                cluster.remove_node(nodes[int(number)], allow_graceful=False)
                answer("killed")
    cluster.shutdown()


def answer(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
