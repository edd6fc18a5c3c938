"""A whole fleet on one machine: three log servers, a ring of three Cassandra nodes, and two of every role, processors two a lane."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.lane_types import CATALOGUE
from tests.e2e.many import LANES, Many, log_environment
from tests.servers.cassandra import require_cassandra
from tests.servers.cassandra_ring import CassandraRing
from tests.servers.nats_cluster import NatsCluster, nats_cluster_in

SHARDS = 2
"""Of a lane: one a processor."""

LOW_BYTES = 16 << 20
"""The low lane's log is soon full."""


@dataclass(frozen=True)
class Fleet:
    """Everything that can be killed."""

    log: NatsCluster
    ring: CassandraRing
    many: Many


@asynccontextmanager
async def fleet_in(directory: Path) -> AsyncIterator[Fleet]:
    """Started, and killed at the end."""
    require_cassandra()
    catalogue = directory / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    ring = CassandraRing(directory / "ring")
    with nats_cluster_in(directory / "nats") as log:
        try:
            ring.start()
            logged = log_environment(log.settings(max_bytes_low=LOW_BYTES), SHARDS)
            shared = {"RENO_CATALOGUE": str(catalogue), **logged, **_inbox(ring)}
            many = Many(directory, shared, halved=LANES)
            try:
                await many.start()
                yield Fleet(log, ring, many)
            finally:
                many.kill()
        finally:
            ring.end()


def _inbox(ring: CassandraRing) -> Mapping[str, str]:
    settings = ring.settings()
    return {
        "RENO_INBOX__ENGINE": "cassandra",
        "RENO_INBOX__CONTACT_POINTS": json.dumps(settings.contact_points),
        "RENO_INBOX__REPLICATION_FACTOR": str(settings.replication_factor),
        "RENO_INBOX__REQUEST_TIMEOUT_S": str(settings.request_timeout_s),
    }
