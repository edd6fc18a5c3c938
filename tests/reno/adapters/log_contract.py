"""What every log must do, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from reno.domain.priority import Priority
from reno.ports import LogAbsent, LogFull, LogReader, LogRecord, LogUnconfirmed, LogWriter, Shard

HIGH_0 = Shard(Priority.HIGH, 0, 4)
HIGH_1 = Shard(Priority.HIGH, 1, 4)
PATIENCE_S = 30.0


class Log(LogWriter, LogReader, Protocol):
    """Both ports in one."""


class BothPorts:
    """A writer and a reader of the same log."""

    def __init__(self, writer: LogWriter, reader: LogReader) -> None:
        self.lane = writer.lane
        self.append = writer.append
        self.open_lane = reader.open_lane
        self.raise_generation = reader.raise_generation
        self.last_sequence = reader.last_sequence
        self.read: Callable[[Shard, int], AsyncIterator[list[LogRecord]]] = reader.read
        self.purge = reader.purge
        self.lag = reader.lag
        self.bury = reader.bury


async def append(log: LogWriter, shard: Shard, payload: bytes, envelope_id: str = "") -> int:
    return await log.append(shard, payload, envelope_id or payload.decode()[:40], 2.0)


async def append_until_confirmed(
    log: LogWriter, shard: Shard, payload: bytes, envelope_id: str = ""
) -> int:
    """As the door does it: the same id again, while the log is away."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await append(log, shard, payload, envelope_id)
            except (LogAbsent, LogUnconfirmed):
                await asyncio.sleep(0.02)


async def taken(log: LogReader, shard: Shard, from_sequence: int, count: int) -> list[LogRecord]:
    """The first records from there; fails when they do not come."""
    records: list[LogRecord] = []
    reading = log.read(shard, from_sequence)
    async with asyncio.timeout(PATIENCE_S), aclosing(reading):  # type: ignore[type-var]
        async for batch in reading:
            assert batch
            records.extend(batch)
            if len(records) >= count:
                break
    return records


async def read_now(log: LogReader, shard: Shard) -> int:
    """A reading of the log as it is now, which must hold something of the shard."""
    return (await taken(log, shard, 1, 1))[0].reading


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.02)


async def fill(log: LogWriter, shard: Shard, size: int) -> int:
    """Appends until the lane is full; how many it took."""
    for index in range(10_000):
        try:
            await append(log, shard, b"x" * size, f"fill-{index}")
        except LogFull:
            return index
    raise AssertionError("never full")
