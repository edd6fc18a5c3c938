"""The log on a real nats-server that is killed, frozen, absent, full: Durable, Ordered, Bounded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_names import DEAD_STREAM, stream_of
from reno.adapters.nats_server import is_ready, is_synced
from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogFull, LogRecord, LogUnconfirmed
from tests.reno.adapters.log_contract import (
    HIGH_0,
    HIGH_1,
    PATIENCE_S,
    append,
    append_until_confirmed,
    eventually,
    read_now,
    taken,
)
from tests.servers.nats import NatsProcess


@pytest.fixture
def settings(fresh_nats: NatsProcess) -> LogSettings:
    return fresh_nats.settings()


@pytest.fixture
async def connection(settings: LogSettings) -> AsyncIterator[NatsConnection]:
    connection = NatsConnection(settings, "test", ping_interval_s=0.4, request_timeout_s=1.0)
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
def writer(connection: NatsConnection) -> NatsLogWriter:
    return NatsLogWriter(connection)


@pytest.fixture
def reader(connection: NatsConnection, settings: LogSettings) -> NatsLogReader:
    return NatsLogReader(connection, settings, 1 << 20)


async def test_durable_a_confirmed_envelope_and_its_id_survive_kill_9(
    fresh_nats: NatsProcess, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    sequence = await append(writer, HIGH_0, b"kept")
    fresh_nats.kill()
    with pytest.raises((LogAbsent, LogUnconfirmed)):
        await append(writer, HIGH_0, b"nobody there")
    fresh_nats.start()
    assert await append_until_confirmed(writer, HIGH_0, b"kept") == sequence
    assert [each.payload for each in await taken(reader, HIGH_0, 1, 1)] == [b"kept"]


async def test_while_disconnected_a_publish_fails_and_does_not_happen_later(
    fresh_nats: NatsProcess,
    connection: NatsConnection,
    writer: NatsLogWriter,
    reader: NatsLogReader,
) -> None:
    await reader.open_lane(Priority.HIGH)
    await append(writer, HIGH_0, b"before")
    fresh_nats.kill()

    async def noticed() -> bool:
        return not connection.is_connected

    await eventually(noticed)
    with pytest.raises(LogAbsent):
        await append(writer, HIGH_0, b"lost")
    with pytest.raises(LogAbsent):
        await writer.lane(Priority.HIGH)
    fresh_nats.start()
    await append_until_confirmed(writer, HIGH_0, b"after")
    assert [each.payload for each in await taken(reader, HIGH_0, 1, 2)] == [b"before", b"after"]


async def test_an_append_under_way_is_unconfirmed_as_soon_as_the_connection_breaks(
    fresh_nats: NatsProcess, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    fresh_nats.freeze()
    waiting = asyncio.create_task(writer.append(HIGH_0, b"waits", "waits", 10 * PATIENCE_S))
    await asyncio.sleep(0)
    fresh_nats.kill()
    with pytest.raises(LogUnconfirmed):
        async with asyncio.timeout(PATIENCE_S):
            await waiting


async def test_ordered_a_reader_lives_through_kill_9_without_gap_or_repeat(
    fresh_nats: NatsProcess, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    count = 900
    seen: list[LogRecord] = []

    async def read() -> None:
        reading = reader.read(HIGH_0, 1)
        async with aclosing(reading):  # type: ignore[type-var]
            async for batch in reading:
                seen.extend(batch)
                if len(seen) % 5 == 0:
                    await reader_purges(seen[-1])
                if len({each.payload for each in seen}) == count:
                    return

    async def reader_purges(last: LogRecord) -> None:
        try:
            await reader.purge(HIGH_0, last.sequence, last.reading)
        except (LogAbsent, LogUnconfirmed):
            return  # the next purge takes these too

    async def write() -> list[int]:
        return [await append_until_confirmed(writer, HIGH_0, b"%d" % i) for i in range(count)]

    async def break_it() -> None:
        for reached in (count // 4, count // 2):
            while len(seen) < reached:
                await asyncio.sleep(0.005)
            await asyncio.to_thread(fresh_nats.kill)
            await asyncio.to_thread(fresh_nats.start)

    async with asyncio.timeout(60):
        _, sequences, _ = await asyncio.gather(read(), write(), break_it())
    # After each break what was not purged comes again, and nothing else.
    first = {each.sequence: each.payload for each in reversed(seen)}
    assert all(first[each.sequence] == each.payload for each in seen)
    received = list(dict.fromkeys(each.sequence for each in seen))
    assert received == sorted(received)
    payloads = [first[sequence] for sequence in received]
    # An id that was confirmed late, after its message was purged and the server restarted, is stored again; the fold drops it.
    assert list(dict.fromkeys(payloads)) == [b"%d" % index for index in range(count)]
    assert set(sequences) <= set(received)


async def test_a_reader_waits_for_a_server_and_a_lane_that_are_not_there_yet(
    tmp_path: Path,
) -> None:
    server = NatsProcess(tmp_path / "later")
    settings = server.settings()
    connection = NatsConnection(settings, "early")
    reader = NatsLogReader(connection, settings, 1 << 20)
    connecting = asyncio.create_task(connection.connect())
    reading = asyncio.create_task(taken(reader, HIGH_0, 1, 1))
    with pytest.raises(LogAbsent):
        await reader.last_sequence(Priority.HIGH)
    assert not await is_ready(server.monitor_url)
    await asyncio.to_thread(server.start)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await connecting
        assert await is_ready(server.monitor_url)
        await reader.open_lane(Priority.HIGH)
        await append(NatsLogWriter(connection), HIGH_0, b"first")
        assert [each.payload for each in await reading] == [b"first"]
    finally:
        await connection.close()
        server.kill()


async def test_connecting_can_be_given_up(tmp_path: Path) -> None:
    connection = NatsConnection(NatsProcess(tmp_path).settings(), "nobody")
    connecting = asyncio.create_task(connection.connect())
    await asyncio.sleep(0.05)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await connection.close()


async def test_bounded_a_slow_reader_pauses_the_server_and_misses_nothing(
    connection: NatsConnection, settings: LogSettings, writer: NatsLogWriter
) -> None:
    reader = NatsLogReader(connection, settings, 1 << 20, max_batch_records=8)
    await reader.open_lane(Priority.HIGH)
    for index in range(200):
        await append(writer, HIGH_0, b"%d" % index)
    reading = reader.read(HIGH_0, 1)
    seen: list[bytes] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(reading):  # type: ignore[type-var]
        seen.extend(each.payload for each in await anext(reading))
        before = connection.client.stats["in_msgs"]
        await asyncio.sleep(1.5)  # longer than a silence that breaks a tail: heartbeats wait too
        assert connection.client.stats["in_msgs"] - before <= 8 + 2 * 4 + 1
        async for batch in reading:
            assert len(batch) <= 8
            seen.extend(each.payload for each in batch)
            if len(seen) == 200:
                break
    assert seen == [b"%d" % index for index in range(200)]


async def test_large_messages_end_requests_by_bytes_and_none_is_missed(
    connection: NatsConnection, settings: LogSettings, writer: NatsLogWriter
) -> None:
    reader = NatsLogReader(connection, settings, 1 << 20, max_batch_bytes=4 << 20)
    await reader.open_lane(Priority.HIGH)
    for index in range(40):
        await append(writer, HIGH_0, b"%d" % index + b"." * (900 << 10), f"large-{index}")
    records = await taken(reader, HIGH_0, 1, 40)
    assert [each.sequence for each in records] == list(range(1, 41))


async def test_a_reader_leaves_a_consumer_that_does_not_see_what_the_leader_has(
    connection: NatsConnection, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    await append(writer, HIGH_0, b"before")
    reading = reader.read(HIGH_0, 1)
    async with aclosing(reading):  # type: ignore[type-var]
        assert [each.payload for each in await anext(reading)] == [b"before"]
        stream = stream_of(Priority.HIGH)
        (consumer,) = await connection.jetstream.consumers_info(stream)
        # It goes on with its heartbeats, as one on a server that is behind.
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        assert (await connection.jetstream.pause_consumer(stream, consumer.name, until)).paused
        await append(writer, HIGH_0, b"after")
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(reading))[-1].payload == b"after"


async def test_a_frozen_server_is_left_and_found_again(
    fresh_nats: NatsProcess,
    connection: NatsConnection,
    writer: NatsLogWriter,
    reader: NatsLogReader,
) -> None:
    await reader.open_lane(Priority.HIGH)
    await append(writer, HIGH_0, b"before")
    fresh_nats.freeze()
    try:
        attempts = 0
        async with asyncio.timeout(PATIENCE_S):
            # Large ones, so that the sockets' buffers fill and the client holds what it cannot send.
            while connection.is_connected:
                attempts += 1
                with pytest.raises((LogAbsent, LogUnconfirmed)):
                    await writer.append(HIGH_0, b"." * (900 << 10), f"big-{attempts}", 0.05)
                await asyncio.sleep(0.01)
    finally:
        fresh_nats.thaw()
    await append_until_confirmed(writer, HIGH_0, b"after")
    assert (await taken(reader, HIGH_0, 1, 2))[0].payload == b"before"


@pytest.fixture
def two_servers(tmp_path: Path) -> Iterator[list[NatsProcess]]:
    servers = [NatsProcess(tmp_path / name) for name in ("one", "two")]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()


async def test_a_frozen_server_holds_nobody_back_from_another_one(
    two_servers: list[NatsProcess],
) -> None:
    servers = two_servers
    settings = servers[0].settings(servers=tuple(server.url for server in servers))
    connection = NatsConnection(settings, "two servers", ping_interval_s=0.4)
    try:
        await connection.connect()
        url = connection.client.connected_url
        assert url is not None
        first = next(server for server in servers if server.port == url.port)
        writer = NatsLogWriter(connection)
        await NatsLogReader(connection, settings, 1 << 20).open_lane(Priority.HIGH)
        first.freeze()
        for attempt in range(12):
            with pytest.raises((LogAbsent, LogUnconfirmed)):
                await writer.append(HIGH_0, b"." * (900 << 10), f"big-{attempt}", 0.02)

        async def moved() -> bool:
            if not connection.is_connected:
                return False
            now = connection.client.connected_url
            return now is not None and now.port != first.port

        await eventually(moved)
    finally:
        await connection.close()


async def _next_or_why(reading: AsyncIterator[list[LogRecord]]) -> list[LogRecord] | LogAbsent:
    try:
        return await anext(reading)
    except LogAbsent as error:
        return error


async def test_a_log_that_came_back_shorter_is_said(
    connection: NatsConnection, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    for index in range(3):
        await append(writer, HIGH_0, b"%d" % index)
    reading = reader.read(HIGH_0, 1)
    async with asyncio.timeout(PATIENCE_S), aclosing(reading):  # type: ignore[type-var]
        assert len(await anext(reading)) >= 1
        await connection.jetstream.delete_stream("RENO_HIGH")
        await reader.open_lane(Priority.HIGH)
        while (batch := await _next_or_why(reading)) and isinstance(batch, list):
            pass
        assert "ends at 0" in str(batch)


async def test_an_existing_lane_keeps_its_shards(
    connection: NatsConnection, fresh_nats: NatsProcess, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    other = NatsLogReader(connection, fresh_nats.settings(shards=9, max_bytes_high=1 << 20), 1)
    assert await other.open_lane(Priority.HIGH) == LaneInfo(0, 4)


async def test_a_server_without_room_for_the_lane_says_so(
    connection: NatsConnection, fresh_nats: NatsProcess
) -> None:
    greedy = NatsLogReader(connection, fresh_nats.settings(max_bytes_high=1 << 45), 1 << 20)
    with pytest.raises(LogAbsent):
        await greedy.open_lane(Priority.HIGH)


async def test_last_sequence_survives_a_full_purge_and_kill_9(
    fresh_nats: NatsProcess, writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    for index in range(5):
        await append(writer, HIGH_0, b"%d" % index)
    await reader.purge(HIGH_0, 5, await read_now(reader, HIGH_0))
    fresh_nats.kill()
    fresh_nats.start()
    assert await append_until_confirmed(writer, HIGH_1, b"next") == 6
    assert await reader.last_sequence(Priority.HIGH) == 6
    assert await reader.lag(HIGH_0) == 0


async def test_dead_letters_are_kept_once_with_the_reason(
    connection: NatsConnection, reader: NatsLogReader
) -> None:
    await reader.bury(HIGH_1, LogRecord(7, 1_000, b"\xff"), "does not\nparse")
    await reader.bury(HIGH_1, LogRecord(7, 1_000, b"\xff"), "does not\nparse")
    info = await connection.jetstream.stream_info(DEAD_STREAM)
    assert info.state.messages == 1
    kept = await connection.jetstream.get_msg(DEAD_STREAM, 1)
    assert kept.subject == "reno.dead.high.4.1"
    assert kept.data == b"\xff"
    assert kept.headers is not None
    assert kept.headers["Reno-Why"] == "does not parse"
    await reader.bury(HIGH_1, LogRecord(8, 1, b"." * (600 << 10)), "large")
    with pytest.raises(LogFull):
        await reader.bury(HIGH_1, LogRecord(9, 1, b"." * (600 << 10)), "large")


async def test_an_envelope_above_the_servers_limit_is_a_fault(
    writer: NatsLogWriter, reader: NatsLogReader
) -> None:
    await reader.open_lane(Priority.HIGH)
    with pytest.raises(ValueError, match="more than the log takes"):
        await writer.append(HIGH_0, b"." * (2 << 20), "huge", 1.0)


async def test_synced_is_what_the_server_says(fresh_nats: NatsProcess, tmp_path: Path) -> None:
    assert await is_synced(fresh_nats.monitor_url)
    lazy = NatsProcess(tmp_path / "lazy", synced=False)
    assert not await is_synced(lazy.monitor_url), "nobody answers"
    lazy.start()
    try:
        assert not await is_synced(lazy.monitor_url)
        assert await is_ready(lazy.monitor_url)
    finally:
        lazy.kill()
