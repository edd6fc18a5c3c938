"""Both logs while the number of a lane's shards changes: Durable, and nothing comes where nobody reads."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from reno.adapters.memory_log import MemoryLog
from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_names import stream_of
from reno.adapters.nats_resharded_log import NatsReshardedLog
from reno.cli.checks import Health
from reno.cli.running_checks import log_server
from reno.domain.priority import Priority
from reno.ports import (
    LaneInfo,
    LaneStanding,
    LogAbsent,
    LogUnconfirmed,
    ReshardedLog,
    Shard,
    shards_of_lane,
)
from tests.reno.adapters.log_contract import (
    HIGH_0,
    PATIENCE_S,
    BothPorts,
    Log,
    append,
    eventually,
    read_now,
    taken,
)
from tests.servers.nats import NatsProcess
from tests.servers.nats_cluster import NatsCluster, nats_cluster

__all__ = ["nats_cluster"]

LANE = Priority.HIGH
HIGH_5_OF_6 = Shard(LANE, 5, 6)


@pytest.fixture(params=["memory", "nats"])
async def logs(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Log, ReshardedLog]]:
    if request.param == "memory":
        memory = MemoryLog(shards=4)
        yield memory, memory
        return
    server: NatsProcess = request.getfixturevalue("fresh_nats")
    settings = server.settings()
    connection = NatsConnection(settings, "contract")
    await connection.connect()
    reader = NatsLogReader(connection, settings, 1 << 20)
    yield BothPorts(NatsLogWriter(connection), reader), NatsReshardedLog(connection)
    await connection.close()


async def test_a_lane_is_closed_and_opens_with_other_shards(
    logs: tuple[Log, ReshardedLog],
) -> None:
    log, resharded = logs
    with pytest.raises(LogAbsent):
        await resharded.standing(LANE)
    await log.open_lane(LANE)
    first = await append(log, HIGH_0, b"first")
    with pytest.raises(LogAbsent):
        await append(log, HIGH_5_OF_6, b"too early")
    assert await resharded.standing(LANE) == LaneStanding(LaneInfo(0, 4), None, first)

    closed_at = await resharded.close(LANE, 6)
    assert closed_at > first
    assert await resharded.standing(LANE) == LaneStanding(LaneInfo(0, 4), 6, closed_at)
    assert await log.lane(LANE) == await log.open_lane(LANE) == LaneInfo(0, 4)
    for shard in (HIGH_0, HIGH_5_OF_6):
        with pytest.raises(LogAbsent):
            await append(log, shard, b"while it is closed")
    again = await resharded.close(LANE, 6)
    assert again > closed_at

    assert await resharded.waiting(LANE) == 1
    (record,) = await taken(log, HIGH_0, 1, 1)
    assert (record.sequence, record.payload) == (first, b"first")
    await log.purge(HIGH_0, first, await read_now(log, HIGH_0))
    assert await resharded.waiting(LANE) == 0

    for _ in range(2):
        await resharded.open(LANE, 6)
        assert await resharded.standing(LANE) == LaneStanding(LaneInfo(0, 6), None, again)
    assert await log.lane(LANE) == LaneInfo(0, 6)
    with pytest.raises(LogAbsent):
        await append(log, HIGH_0, b"too late")
    assert await append(log, HIGH_5_OF_6, b"second") == again + 1
    assert [one.payload for one in await taken(log, HIGH_5_OF_6, 1, 1)] == [b"second"]


async def test_a_generation_that_rises_meanwhile_stays(logs: tuple[Log, ReshardedLog]) -> None:
    log, resharded = logs
    await log.open_lane(LANE)
    await resharded.close(LANE, 6)
    await log.raise_generation(LANE, 3)
    assert (await resharded.standing(LANE)).lane == LaneInfo(3, 4)
    await resharded.open(LANE, 6)
    assert await log.lane(LANE) == LaneInfo(3, 6)


@pytest.fixture(params=["fresh_nats", "nats_cluster"])
def servers(request: pytest.FixtureRequest) -> NatsProcess | NatsCluster:
    found: NatsProcess | NatsCluster = request.getfixturevalue(request.param)
    return found


async def closed(resharded: NatsReshardedLog) -> int:
    """Where the lane ends. Again where there was no leader to ask: then nothing was stored."""
    while True:
        try:
            return await resharded.close(LANE, 6)
        except LogAbsent:
            await asyncio.sleep(0.05)


async def test_nothing_comes_after_the_end(servers: NatsProcess | NatsCluster) -> None:
    """Doors publish as fast as they can while the lane is closed: what was confirmed lies before its end, and is there. Of three servers the leader is killed then."""
    settings = servers.settings()
    connections = [NatsConnection(settings, f"door-{number}") for number in range(5)]
    for connection in connections:
        await connection.connect()
    reader = NatsLogReader(connections[0], settings, 1 << 20)
    resharded = NatsReshardedLog(connections[0])
    await reader.open_lane(LANE)
    shards = shards_of_lane(LANE, 4)
    confirmed: dict[Shard, list[int]] = {shard: [] for shard in shards}
    ending = asyncio.Event()

    async def publish(writer: NatsLogWriter, shard: Shard, name: str) -> None:
        number = 0
        while not ending.is_set():
            number += 1
            try:
                confirmed[shard].append(await append(writer, shard, f"{name}-{number}".encode()))
            except (LogAbsent, LogUnconfirmed):
                await asyncio.sleep(0.01)

    doors = [
        asyncio.create_task(publish(NatsLogWriter(connection), shard, f"{n}-{shard.number}-{m}"))
        for n, connection in enumerate(connections[1:])
        for shard in shards
        for m in range(4)
    ]
    async with asyncio.timeout(PATIENCE_S):
        while min(map(len, confirmed.values())) < 50:
            await asyncio.sleep(0.01)
        closed_at = await closed(resharded)
        if isinstance(servers, NatsCluster):
            leader = await asyncio.to_thread(servers.leader_of, stream_of(LANE))
            assert leader is not None
            servers.servers[leader].kill()
        await asyncio.sleep(1.0)
        ending.set()
        await asyncio.gather(*doors)

    async def is_closed() -> bool:
        try:
            standing = await resharded.standing(LANE)
        except LogAbsent:
            return False
        assert standing == LaneStanding(LaneInfo(0, 4), 6, closed_at)
        return True

    await eventually(is_closed)
    assert max(map(max, confirmed.values())) < closed_at
    for shard, sequences in confirmed.items():
        records = await taken(reader, shard, 1, await reader.lag(shard))
        assert set(sequences) <= {record.sequence for record in records}
    for connection in connections:
        await connection.close()


async def test_who_looks_at_the_server_sees_that_a_lane_is_closed(fresh_nats: NatsProcess) -> None:
    settings = fresh_nats.settings()
    connection = NatsConnection(settings, "looking")
    await connection.connect()
    try:
        await NatsLogReader(connection, settings, 1 << 20).open_lane(LANE)
        resharded = NatsReshardedLog(connection)
        assert (await log_server(fresh_nats.monitor_url)).health is Health.OK
        await resharded.close(LANE, 6)
        check = await log_server(fresh_nats.monitor_url)
        assert (check.health, check.found) == (
            Health.FAIL,
            f"{fresh_nats.monitor_url}: lane high is closed, to have 6 shards",
        )
        assert "reno lane reshard high --shards 6" in check.advice
        await resharded.open(LANE, 6)
        assert (await log_server(fresh_nats.monitor_url)).health is Health.OK
    finally:
        await connection.close()
