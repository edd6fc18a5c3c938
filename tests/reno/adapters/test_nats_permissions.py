"""Who may do what, asked of a real server with the printed configuration: each role works end to end, and nothing else is let through."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_names import (
    dead_subject_of,
    inbox_prefix,
    roster_subject,
    stream_of,
    subject_of,
)
from reno.adapters.nats_permissions import (
    INGESTION,
    OPERATOR,
    password_variable,
    permissions,
    processor_user,
    render_accounts,
)
from reno.adapters.nats_resharded_log import NatsReshardedLog
from reno.adapters.nats_roster import NatsRoster
from reno.config.settings import LogSettings
from reno.domain.priority import LANES, Priority
from reno.ports import Beat, LogAbsent, LogRecord, LogUnconfirmed, Shard, Word
from tests.reno.adapters.log_contract import append, taken
from tests.servers.nats import NatsProcess

HIGH, LOW = processor_user(Priority.HIGH), processor_user(Priority.LOW)
USERS = tuple(permissions())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsProcess]:
    """With the accounts as they are printed and every lane's stream."""
    passwords = {password_variable(user): f"secret-of-{user}" for user in USERS}
    server = NatsProcess(
        tmp_path_factory.mktemp("guarded"), more=render_accounts(), environment=passwords
    )
    server.start()
    try:
        asyncio.run(make_lanes(server))
        yield server
    finally:
        server.kill()


async def make_lanes(server: NatsProcess) -> None:
    for lane in LANES:
        async with connected(server, processor_user(lane)) as connection:
            await reader_of(server, connection).open_lane(lane)


def settings_of(server: NatsProcess, user: str, password: str = "") -> LogSettings:
    return server.settings(user=user, password=password or f"secret-of-{user}")


@asynccontextmanager
async def connected(server: NatsProcess, user: str) -> AsyncIterator[NatsConnection]:
    connection = NatsConnection(settings_of(server, user), user, request_timeout_s=0.5)
    await connection.connect()
    try:
        yield connection
    finally:
        await connection.close()


def reader_of(server: NatsProcess, connection: NatsConnection) -> NatsLogReader:
    return NatsLogReader(connection, server.settings(), 1 << 20)


@pytest.mark.parametrize("lane", LANES)
async def test_each_role_does_its_work(guarded: NatsProcess, lane: Priority) -> None:
    shard = Shard(lane, 1, 4)
    async with (
        connected(guarded, INGESTION) as door,
        connected(guarded, processor_user(lane)) as processor,
    ):
        writer, reader = NatsLogWriter(door), reader_of(guarded, processor)
        assert (await writer.lane(lane)) == await reader.open_lane(lane)
        sequence = await append(writer, shard, b"one")
        (record,) = await taken(reader, shard, sequence, 1)
        assert record.payload == b"one"
        await reader.raise_generation(lane, 1)
        assert (await writer.lane(lane)).generation == 1
        assert await reader.last_sequence(lane) == sequence
        assert await reader.lag(shard) == 1
        await reader.bury(shard, LogRecord(sequence, 1, b"one"), "unreadable")
        await reader.purge(shard, sequence, record.reading)
        assert await reader.lag(shard) == 0
        assert await overhears(processor, f"{roster_subject(lane)}.me", b"")


@pytest.mark.parametrize("lane", LANES)
async def test_the_operator_changes_the_number_of_shards(
    guarded: NatsProcess, lane: Priority
) -> None:
    old, new = Shard(lane, 3, 4), Shard(lane, 4, 5)
    async with (
        connected(guarded, OPERATOR) as operator,
        connected(guarded, INGESTION) as door,
        connected(guarded, processor_user(lane)) as processor,
    ):
        resharded, writer = NatsReshardedLog(operator), NatsLogWriter(door)
        reader = reader_of(guarded, processor)
        sequence = await append(writer, old, b"before")
        await resharded.close(lane, 5)
        with pytest.raises((LogAbsent, LogUnconfirmed)):
            await NatsReshardedLog(door).open(lane, 4)
        (record,) = await taken(reader, old, sequence, 1)
        await reader.purge(old, sequence, record.reading)
        assert await reader.lag(old) == 0
        await resharded.open(lane, 5)
        after = await append(writer, new, b"after")
        assert [each.payload for each in await taken(reader, new, after, 1)] == [b"after"]
        await resharded.open(lane, 4)


async def test_ingestion_neither_reads_nor_purges_nor_makes_a_lane(guarded: NatsProcess) -> None:
    shard = Shard(Priority.HIGH, 0, 4)
    async with connected(guarded, INGESTION) as door:
        reader = reader_of(guarded, door)
        await append(NatsLogWriter(door), shard, b"kept")
        with pytest.raises(LogAbsent):
            await door.ask(door.jetstream.purge_stream(stream_of(Priority.HIGH)))
        with pytest.raises(LogAbsent):
            await reader.raise_generation(Priority.HIGH, 9)
        with pytest.raises((LogAbsent, LogUnconfirmed)):
            await reader.bury(shard, LogRecord(1, 1, b""), "")
        with pytest.raises((LogAbsent, LogUnconfirmed)):
            await door.ask(door.jetstream.delete_stream(stream_of(Priority.HIGH)))
        assert not await gets_anything(reader, shard)
        assert not await overhears(door, subject_of(shard), b"kept too")
    async with connected(guarded, HIGH) as processor:
        assert await reader_of(guarded, processor).lag(shard) >= 1


async def test_a_processor_has_its_own_lane_only(guarded: NatsProcess) -> None:
    high = Shard(Priority.HIGH, 2, 4)
    async with connected(guarded, INGESTION) as door:
        await append(NatsLogWriter(door), high, b"for high only")
    async with connected(guarded, LOW) as low:
        reader = reader_of(guarded, low)
        purge = low.ask(low.jetstream.purge_stream(stream_of(Priority.HIGH)))
        for refused in (reader.lag(high), purge, reader.raise_generation(Priority.HIGH, 9)):
            with pytest.raises(LogAbsent):
                await refused
        assert not await gets_anything(reader, high)
        with pytest.raises((LogAbsent, LogUnconfirmed)):
            await append(NatsLogWriter(low), Shard(Priority.LOW, 0, 4), b"no door")
        with pytest.raises((LogAbsent, LogUnconfirmed)):
            await reader.bury(high, LogRecord(1, 1, b""), "")
        with pytest.raises(NatsError):
            await low.client.request(
                f"$JS.API.STREAM.MSG.GET.{stream_of(Priority.HIGH)}", b'{"seq":1}', timeout=0.3
            )
    async with connected(guarded, HIGH) as processor:
        assert await reader_of(guarded, processor).lag(high) == 1


async def test_nobody_hears_what_another_one_was_answered(guarded: NatsProcess) -> None:
    async with connected(guarded, LOW) as low:
        heard = asyncio.Event()

        async def hear(_message: object) -> None:
            heard.set()

        for subject in (
            f"{inbox_prefix(HIGH)}.>",
            "_INBOX.>",
            ">",
            dead_subject_of(Shard(Priority.LOW, 0, 4)),
            f"{roster_subject(Priority.HIGH)}.*",
        ):
            await low.client.subscribe(subject, cb=hear)
        await low.client.flush()
        async with connected(guarded, HIGH) as processor:
            await NatsRoster(processor).say(Priority.HIGH, Beat("me", Word.HERE))
            await NatsRoster(low).say(Priority.HIGH, Beat("me", Word.HERE))
            await reader_of(guarded, processor).last_sequence(Priority.HIGH)
        await low.client.flush()
        assert not heard.is_set()


async def test_a_wrong_password_does_not_connect(guarded: NatsProcess) -> None:
    connection = NatsConnection(settings_of(guarded, HIGH, "guessed"), "stranger")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await connection.connect()
    await connection.close()


def test_a_password_is_not_shown(guarded: NatsProcess, tmp_path: Path) -> None:
    settings = settings_of(guarded, HIGH)
    assert "secret-of" not in f"{settings} {settings.model_dump(mode='json')}"
    assert "secret" not in render_accounts()


async def gets_anything(reader: NatsLogReader, shard: Shard) -> bool:
    reading = reader.read(shard, 1)
    try:
        async with asyncio.timeout(1.5), aclosing(reading):  # type: ignore[type-var]
            await anext(reading)
    except TimeoutError:
        return False
    return True


async def overhears(connection: NatsConnection, subject: str, payload: bytes) -> bool:
    subscription = await connection.client.subscribe(subject)
    await connection.client.publish(subject, payload)
    try:
        await subscription.next_msg(timeout=0.5)
    except NatsTimeoutError:
        return False
    return True
