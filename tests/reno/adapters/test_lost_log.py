"""Promises: Durable, Once, Ordered. An owner over a real nats-server whose streams are lost, or come back as an older copy."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_names import GENERATION_KEY, stream_of
from reno.config.settings import LogSettings
from reno.domain.position import generation_of, position_of
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogUnconfirmed
from tests.processor.records import envelope, event_id_of, row
from tests.processor.surroundings import SETTINGS, SHARD, Surroundings, until
from tests.reno.adapters.log_contract import (
    PATIENCE_S,
    BothPorts,
    append,
    append_until_confirmed,
    read_now,
)
from tests.servers.nats import NatsProcess


@pytest.fixture
def settings(fresh_nats: NatsProcess) -> LogSettings:
    return fresh_nats.settings(shards=1)


@pytest.fixture
async def connection(settings: LogSettings) -> AsyncIterator[NatsConnection]:
    connection = NatsConnection(settings, "lost", ping_interval_s=0.4, request_timeout_s=1.0)
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
def log(connection: NatsConnection, settings: LogSettings) -> BothPorts:
    return BothPorts(NatsLogWriter(connection), NatsLogReader(connection, settings, 1 << 20))


class World(Surroundings):
    """A shard over the real log."""

    def __init__(self, log: BothPorts) -> None:
        super().__init__()
        self.log = log  # type: ignore[assignment]
        self.settings = SETTINGS.model_copy(update={"fork_after_s": 0.5})
        self._names = 0

    async def accept(self, count: int) -> list[str]:
        """Published until the log confirmed."""
        names = []
        for _ in range(count):
            self._names += 1
            names.append(f"e-{self._names}")
            payload = envelope(self._names, [row("anna", names[-1])])
            await append_until_confirmed(self.log, SHARD, payload, names[-1])
        return names

    async def stored(self) -> list[str]:
        return [event_id_of(each.row) for each in await self.inbox.rows("anna")]

    async def until_all_purged(self) -> None:
        """Also while the log is away."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    if not await self.lag():
                        return
                except LogAbsent:
                    pass
                await asyncio.sleep(0.02)


async def test_a_generation_rises_and_nothing_else_of_the_stream_changes(
    connection: NatsConnection, log: BothPorts
) -> None:
    assert await log.open_lane(Priority.HIGH) == LaneInfo(0, 1)
    stream = stream_of(Priority.HIGH)
    before = await config_of(connection, stream)
    await asyncio.gather(*(log.raise_generation(Priority.HIGH, to) for to in (2, 2, 2)))
    await log.raise_generation(Priority.HIGH, 1)
    assert await log.lane(Priority.HIGH) == LaneInfo(2, 1)
    after = await config_of(connection, stream)
    assert after["metadata"].pop(GENERATION_KEY) == "2"
    assert before["metadata"].pop(GENERATION_KEY) == "0"
    assert after == before


async def config_of(connection: NatsConnection, stream: str) -> dict[str, Any]:
    config: dict[str, Any] = (await connection.jetstream.stream_info(stream)).config.as_dict()
    return config


@pytest.mark.parametrize("how", ["killed", "made anew"])
async def test_a_purge_waits_until_the_log_was_read_again(
    fresh_nats: NatsProcess, connection: NatsConnection, log: BothPorts, how: str
) -> None:
    """Durable: it may be another log by then."""
    await log.open_lane(Priority.HIGH)
    await append(log, SHARD, b"one")
    reading = await read_now(log, SHARD)
    if how == "killed":
        fresh_nats.kill()
        fresh_nats.start()
        await append_until_confirmed(log, SHARD, b"two")
    else:
        # The one that reads must be reading for the server to tell it.
        tail = log.read(SHARD, 1)
        reading = (await anext(tail))[0].reading
        following = asyncio.ensure_future(anext(tail))
        await connection.jetstream.delete_stream(stream_of(Priority.HIGH))
        await log.open_lane(Priority.HIGH)
        await append(log, SHARD, b"two")
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    with pytest.raises(LogUnconfirmed):
        await log.purge(SHARD, 1, reading)
    lag = await log.lag(SHARD)
    assert lag == (2 if how == "killed" else 1)
    await log.purge(SHARD, lag, await read_now(log, SHARD))
    assert await log.lag(SHARD) == 0


async def test_a_stream_that_is_deleted_under_an_owner_goes_on_in_a_new_generation(
    connection: NatsConnection, log: BothPorts
) -> None:
    world = World(log)
    await log.open_lane(Priority.HIGH)
    async with world.owned() as owner:
        accepted = await world.accept(3)
        await world.until_all_purged()
        await connection.jetstream.delete_stream(stream_of(Priority.HIGH))
        await log.open_lane(Priority.HIGH)
        await until(lambda: owner._bound.generation == 1, PATIENCE_S)
        accepted += await world.accept(2)
        await world.until_all_purged()
    assert await world.stored() == accepted
    assert [each.position for each in await world.inbox.rows("anna")] == [
        *(position_of(0, sequence, 0) for sequence in (1, 2, 3)),
        *(position_of(1, sequence, 0) for sequence in (1, 2)),
    ]


@pytest.mark.parametrize("is_owned", [True, False], ids=["under an owner", "between owners"])
async def test_an_older_copy_of_the_store_is_never_purged_unread(
    fresh_nats: NatsProcess, log: BothPorts, is_owned: bool, tmp_path: Path
) -> None:
    """It grows past the journal before anybody looks: its sequences are used again, for other envelopes."""
    world = World(log)
    await log.open_lane(Priority.HIGH)
    async with world.owned():
        accepted = await world.accept(2)
        await world.until_all_purged()
    copy = tmp_path / "copy"
    fresh_nats.stop()
    shutil.copytree(fresh_nats.directory / "store", copy)
    fresh_nats.start()
    accepted += await world.accept(1)

    async def lose() -> list[str]:
        """What was accepted after the copy was made, and processed, is not in it."""
        await asyncio.to_thread(fresh_nats.kill)
        shutil.rmtree(fresh_nats.directory / "store")
        shutil.copytree(copy, fresh_nats.directory / "store")
        await asyncio.to_thread(fresh_nats.start)
        return await world.accept(8)

    async with world.owned():
        accepted += await world.accept(3)
        await world.until_all_purged()
        if is_owned:
            accepted += await lose()
            await world.until_all_purged()
    if not is_owned:
        accepted += await lose()
        async with world.owned():
            await world.until_all_purged()
    assert await world.stored() == accepted
    generations = [generation_of(each.position) for each in await world.inbox.rows("anna")]
    assert generations == [0] * 6 + [1] * 8
