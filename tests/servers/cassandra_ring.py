"""Three real Cassandra nodes on 127.0.0.1 to 127.0.0.3, one ring: kill and start them as you like."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cassandra import ConsistencyLevel, DriverException  # type: ignore[import-untyped]
from cassandra.cluster import (  # type: ignore[import-untyped]
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.policies import WhiteListRoundRobinPolicy  # type: ignore[import-untyped]

from reno.adapters import cassandra_schema
from reno.config.cassandra_settings import CassandraSettings
from reno.errors import Unavailable
from tests.servers.cassandra import START_TIMEOUT_S, CassandraNode
from tests.servers.nats import free_port

NODES = 3
PEERS = "SELECT address FROM system_views.gossip_info"
LANES = "SELECT lane FROM reno.lanes"


class CassandraRing:
    """Every node has a third of the tokens; with replication factor 3 each has every row."""

    def __init__(self, directory: Path) -> None:
        port, storage_port = free_port(), free_port()
        self.nodes = [
            CassandraNode(
                directory / str(number),
                address=f"127.0.0.{number + 1}",
                port=port,
                storage_port=storage_port,
                seeds=f"127.0.0.1:{storage_port}",
                # Nothing is there to stream to a node of a new ring: all may start at once.
                options=(
                    "-Dcassandra.auto_bootstrap=false",
                    "-Dcassandra.consistent.rangemovement=false",
                    # Twice this long the seed may take to answer; nothing else waits for it here.
                    "-Dcassandra.ring_delay_ms=30000",
                    f"-Dcassandra.initial_token={2**64 // NODES * number - 2**63 + 1}",
                ),
            )
            for number in range(NODES)
        ]

    def settings(self, **changes: object) -> CassandraSettings:
        """Replicated to every node; less patient than for one node, since nodes die here."""
        return self.nodes[0].settings(
            contact_points=tuple(node.contact_point for node in self.nodes),
            replication_factor=NODES,
            **{"request_timeout_s": 3.0, **changes},
        )

    def start(self) -> None:
        """Returns when all see all and the schema is there."""
        seed, *others = self.nodes
        seed.start()
        # The others give up when it does not answer.
        seed.wait_ready()
        for node in others:
            node.start()
        for node in others:
            node.wait_ready()
        _until(partial(_asked, self.nodes[0], PEERS, NODES), "the seed to know all")
        _until(self._has_schema, "the schema")
        self.wait_joined()

    def wait_joined(self) -> None:
        """Each node reaches all."""
        for node in self.nodes:
            _until(partial(_asked, node, LANES, 0), f"{node.address} to reach all")

    def end(self) -> None:
        """kill -9 of all; idempotent."""
        for node in self.nodes:
            node.kill()

    def _has_schema(self) -> bool:
        try:
            cassandra_schema.apply(self.settings())
        except Unavailable:
            return False
        return True


def _asked(node: CassandraNode, question: str, rows: int) -> bool:
    """Whether this very node finds at least so many rows, with an answer of every replica."""
    only = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([node.address]),
        consistency_level=ConsistencyLevel.ALL,
    )
    cluster = Cluster(
        [node.address],
        port=node.port,
        connect_timeout=30,
        control_connection_timeout=30,
        execution_profiles={EXEC_PROFILE_DEFAULT: only},
    )
    try:
        with cluster.connect() as session:
            return len(list(session.execute(question))) >= rows
    except (DriverException, NoHostAvailable):
        return False
    finally:
        cluster.shutdown()


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {START_TIMEOUT_S} s for {what}"
        time.sleep(0.5)
