"""Both logs keep the ports' promises: Durable (an id is stored once), Ordered, Bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from reno.adapters.memory_log import MemoryLog
from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogFull, LogRecord, Shard
from tests.reno.adapters.log_contract import (
    HIGH_0,
    HIGH_1,
    PATIENCE_S,
    BothPorts,
    Log,
    append,
    fill,
    read_now,
    taken,
)
from tests.servers.nats import NatsProcess

MAX_BYTES = 2 << 20


@pytest.fixture(params=["memory", "nats"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryLog(shards=4, max_bytes=MAX_BYTES)
        return
    server: NatsProcess = request.getfixturevalue("fresh_nats")
    settings = server.settings(max_bytes_high=MAX_BYTES)
    connection = NatsConnection(settings, "contract")
    await connection.connect()
    yield BothPorts(NatsLogWriter(connection), NatsLogReader(connection, settings, 1 << 20))
    await connection.close()


async def test_a_lane_is_absent_until_it_is_opened(log: Log) -> None:
    with pytest.raises(LogAbsent):
        await log.lane(Priority.HIGH)
    with pytest.raises(LogAbsent):
        await append(log, HIGH_0, b"early")
    with pytest.raises(LogAbsent):
        await log.last_sequence(Priority.HIGH)
    with pytest.raises(LogAbsent):
        await log.lag(HIGH_0)
    assert await log.open_lane(Priority.HIGH) == LaneInfo(0, 4)
    assert await log.lane(Priority.HIGH) == LaneInfo(0, 4)
    assert await log.last_sequence(Priority.HIGH) == 0
    assert await append(log, HIGH_0, b"early") == 1


async def test_creators_may_race(log: Log) -> None:
    opened = await asyncio.gather(*(log.open_lane(Priority.HIGH) for _ in range(4)))
    assert opened == [LaneInfo(0, 4)] * 4


async def test_the_same_id_is_stored_once(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    first = await append(log, HIGH_0, b"a")
    second = await append(log, HIGH_0, b"b")
    assert await append(log, HIGH_0, b"a") == first
    assert [each.payload for each in await taken(log, HIGH_0, 1, 2)] == [b"a", b"b"]
    assert await log.last_sequence(Priority.HIGH) == second


async def test_a_shard_is_read_in_order_from_a_sequence(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    sequences = [
        await append(log, shard, b"%d" % index)
        for index, shard in enumerate([HIGH_0, HIGH_1] * 600)
    ]
    assert sequences == list(range(1, 1201))
    records = await taken(log, HIGH_0, 0, 600)
    assert [each.sequence for each in records] == sequences[::2]
    assert [each.payload for each in records] == [b"%d" % index for index in range(0, 1200, 2)]
    stamps = [each.timestamp_ms for each in records]
    assert stamps == sorted(stamps)
    assert [each.sequence for each in await taken(log, HIGH_1, 601, 300)] == sequences[601::2]


async def test_what_comes_is_read_as_it_comes(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    reading = log.read(HIGH_0, 1)
    async with asyncio.timeout(PATIENCE_S), aclosing(reading):  # type: ignore[type-var]
        waiting = asyncio.ensure_future(anext(reading))
        for index in range(20):
            sequence = await append(log, HIGH_0, b"%d" % index)
            assert [each.sequence for each in await waiting] == [sequence]
            waiting = asyncio.ensure_future(anext(reading))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_purge_behind_the_reader_disturbs_nothing(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    for index in range(10):
        await append(log, HIGH_0, b"%d" % index)
    other = await append(log, HIGH_1, b"other")
    reading = log.read(HIGH_0, 1)
    seen: list[int] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(reading):  # type: ignore[type-var]
        async for batch in reading:
            seen.extend(each.sequence for each in batch)
            await log.purge(HIGH_0, seen[-1], batch[-1].reading)
            if seen[-1] >= 20:
                break
            if seen[-1] == 10 or seen[-1] > other:
                await append(log, HIGH_0, b"more-%d" % seen[-1])
    assert seen == [*range(1, 11), *range(12, 21)]
    assert await log.lag(HIGH_0) == 0
    assert await log.lag(HIGH_1) == 1


async def test_a_purge_takes_up_to_and_including(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    for index in range(4):
        await append(log, HIGH_0, b"%d" % index)
    reading = await read_now(log, HIGH_0)
    await log.purge(HIGH_0, 0, reading)
    assert await log.lag(HIGH_0) == 4
    await log.purge(HIGH_0, 3, reading)
    await log.purge(HIGH_0, 2, reading)
    assert await log.lag(HIGH_0) == 1
    assert [each.sequence for each in await taken(log, HIGH_0, 1, 1)] == [4]
    await log.purge(HIGH_0, 4, await read_now(log, HIGH_0))
    assert await log.lag(HIGH_0) == 0
    assert await log.last_sequence(Priority.HIGH) == 4
    assert await append(log, HIGH_0, b"next") == 5


async def test_full_says_no_and_a_purge_makes_room(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    held = await fill(log, HIGH_0, 64 << 10)
    assert 1 <= held <= 32
    with pytest.raises(LogFull):
        await append(log, HIGH_1, b"x" * (64 << 10), "another shard, the same lane")
    assert await append(log, HIGH_0, b"x" * (64 << 10), "fill-0") == 1, "known, though full"
    assert await log.lag(HIGH_0) == held, "nothing that was confirmed is dropped"
    await log.purge(HIGH_0, held, await read_now(log, HIGH_0))
    assert await append(log, HIGH_0, b"x" * (64 << 10), "again") > held


async def test_lanes_know_nothing_of_each_other(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    await log.open_lane(Priority.LOW)
    await append(log, HIGH_0, b"same id")
    assert await append(log, Shard(Priority.LOW, 0, 4), b"same id") == 1
    assert await log.lag(Shard(Priority.LOW, 0, 4)) == 1


async def test_what_is_buried_may_be_buried_again(log: Log) -> None:
    await log.open_lane(Priority.HIGH)
    record = LogRecord(7, 1_000, b"\xff not an envelope")
    await log.bury(HIGH_0, record, "does not\nparse")
    await log.bury(HIGH_0, record, "does not\nparse")
