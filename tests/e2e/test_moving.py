"""Durable, Once, Ordered, Resumable: the inbox moves from RocksDB to Cassandra while backends publish and devices are subscribed and pull."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reno.config.cassandra_settings import CassandraSettings
from tests.e2e.crowd import Crowd
from tests.e2e.lane_types import CATALOGUE, TYPES
from tests.e2e.many import LANES, Many, Member
from tests.e2e.traffic import pull_all
from tests.servers.nats import NatsProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

EVENTS_PER_S = 200
EVENTS_A_STEP = 300
MEMBERS = 5
"""Of each of the crowd's backends."""


@pytest.fixture
async def many(
    tmp_path: Path, fresh_nats: NatsProcess, cassandra: CassandraSettings
) -> AsyncIterator[Many]:
    """High has two processors, so two directories to move."""
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    shared = {
        "RENO_CATALOGUE": str(catalogue),
        "RENO_LOG__SERVERS": json.dumps([fresh_nats.url]),
        "RENO_LOG__MONITOR_URLS": json.dumps([fresh_nats.monitor_url]),
        "RENO_LOG__SHARDS": "2",
        "RENO_INBOX__CONTACT_POINTS": json.dumps(cassandra.contact_points),
        "RENO_INBOX__REQUEST_TIMEOUT_S": "5",
    }
    started = Many(tmp_path, shared)
    try:
        await started.start()
        yield started
    finally:
        started.kill()


async def restart(many: Many, members: Sequence[Member], engine: str) -> None:
    for member in members:
        member.environment = {**member.environment, "RENO_INBOX__ENGINE": engine}
    await asyncio.gather(*(many.restart(member) for member in members))


async def copied(member: Member) -> dict[str, Any]:
    """`reno inbox copy` beside the processor."""
    copying = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reno.cli.main", "inbox", "copy", "--json"),
        env={**os.environ, **member.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await copying.communicate()
    assert copying.returncode == 0, said
    line: dict[str, Any] = json.loads(said.splitlines()[-1])
    return line


async def pulled(crowd: Crowd) -> list[list[tuple[str, int]]]:
    """What a device that was never there finds, by member."""
    return [
        [(one.event_id, one.position) for one in await pull_all(way, member, "late")]
        for member, way in crowd.ways.items()
    ]


async def test_a_move_while_running_loses_nothing(many: Many) -> None:
    processors = [each for lane in LANES for each in many.processors[lane]]
    gateways = [member for member in many.members if member.name.startswith("gateway")]
    async with Crowd(many, "mv", TYPES, MEMBERS) as crowd:
        async with crowd.publishing(EVENTS_PER_S):
            await crowd.accepts(EVENTS_A_STEP)
            await restart(many, processors, "moving")
            await crowd.accepts(EVENTS_A_STEP)
            copies = [await copied(processor) for processor in processors]
            before = await pulled(crowd)
            await restart(many, processors, "cassandra")
            await crowd.accepts(EVENTS_A_STEP)
            for gateway in gateways:
                await restart(many, [gateway], "cassandra")
            await crowd.accepts(EVENTS_A_STEP)
        await crowd.is_pushed()
        await crowd.is_pulled()
        after = await pulled(crowd)
    assert crowd.history.broken_promises() == []
    for earlier, later in zip(before, after, strict=True):
        assert earlier
        assert set(earlier) <= set(later)
    assert [(line["lane"], line["event"], line["shards"]) for line in copies] == [
        ("high", "copied", [0]),
        ("high", "copied", [1]),
        ("medium", "copied", [0, 1]),
        ("low", "copied", [0, 1]),
    ]
    for line in copies:
        assert line["rows"]["written"] > 0
        assert line["journal"]["written"] > 0
