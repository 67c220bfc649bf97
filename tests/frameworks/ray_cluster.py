"""A Ray cluster of a head and two nodes on this machine; run in a network of its own by test_ray.

Started as `python ray_cluster.py ADDRESS_FILE [CORES]`. A line `lose` on its input ends a node with all
its processes; the end of its input ends the cluster.
"""

import json
import sys
import time
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster


def main(address_file: str, cores: str = "2") -> None:
    """Start the cluster, note its address, and obey."""
    options = {"include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **options})
    nodes = [
        cluster.add_node(num_cpus=int(cores), object_store_memory=80_000_000) for _ in range(2)
    ]
    cluster.wait_for_nodes()
    Path(address_file).write_text(json.dumps(cluster.address))
    for line in sys.stdin:
        if line.strip() == "lose":
            lose(nodes.pop())
    cluster.shutdown()


def lose(node) -> None:
    """Kill a node's processes with all that they started, as a power cut would."""
    own = [
        psutil.Process(info[0].process.pid)
        for info in node.all_processes.values()
        if info and info[0].process.poll() is None
    ]
    everything = [child for process in own for child in process.children(recursive=True)]
    for process in [*own, *everything]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
