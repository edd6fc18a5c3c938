"""What doctor says of a keyspace and its nodes."""

import pytest

from reno.cli.cassandra_checks import judged
from reno.config.cassandra_settings import CassandraSettings

QUORUM, ONE = CassandraSettings(), CassandraSettings(consistency="local_one")


@pytest.mark.parametrize(
    ("settings", "replicas", "sync", "health", "found"),
    [
        (QUORUM, 1, "group", "ok", "1 replica"),
        (QUORUM, 3, "periodic", "ok", "3 replica"),
        (QUORUM, 1, "periodic", "warn", "kill -9 loses rows"),
        (QUORUM, 2, "periodic", "warn", "kill -9 loses rows"),
        (ONE, 1, "batch", "ok", "1 replica"),
        (ONE, 3, "group", "warn", "may not know a row"),
        (QUORUM, 0, "group", "fail", "no replica in data centre datacenter1"),
    ],
)
def test_durable_what_may_be_lost_is_said(
    settings: CassandraSettings, replicas: int, sync: str, health: str, found: str
) -> None:
    check = judged(settings, replicas, sync)
    assert check.health == health
    assert found in check.found
