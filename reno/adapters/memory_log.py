"""A log in memory, for tests and simulations: same promises as the real one, except that it ends with its process."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from reno.domain.priority import Priority
from reno.ports import (
    LaneInfo,
    LaneStanding,
    LogAbsent,
    LogFull,
    LogRecord,
    LogShorter,
    LogUnconfirmed,
    Shard,
)

MAX_BATCH_RECORDS = 512


@dataclass(slots=True)
class Lane:
    """All that is kept of one; see MemoryLog.restore."""

    info: LaneInfo
    reading: int = 0
    last_sequence: int = 0
    held_bytes: int = 0
    shards: dict[Shard, dict[int, LogRecord]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    to_shards: int | None = None


class MemoryLog:
    """Implements reno.ports.LogWriter, LogReader and ReshardedLog. Ids are remembered for ever; bytes count payloads only."""

    def __init__(
        self,
        *,
        shards: int = 4,
        max_bytes: int = 1 << 30,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._shards = shards
        self._max_bytes = max_bytes
        self._now_ms = now_ms
        self._lanes: dict[Priority, Lane] = {}
        self._grown = asyncio.Event()
        self._readings = itertools.count()
        self.dead: dict[tuple[Shard, int], tuple[LogRecord, str]] = {}

    async def lane(self, priority: Priority) -> LaneInfo:
        """Raises LogAbsent."""
        return self._lane(priority).info

    async def open_lane(self, priority: Priority) -> LaneInfo:
        """Creates the lane where it is missing."""
        if priority not in self._lanes:
            self._lanes[priority] = Lane(LaneInfo(0, self._shards), next(self._readings))
            self._tell()
        return self._lanes[priority].info

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        """Raises LogFull, LogAbsent."""
        lane = self._lane(shard.priority)
        if lane.to_shards is not None or shard.shards != lane.info.shards:
            raise LogAbsent(f"no {shard}")
        if (known := lane.sequences.get(envelope_id)) is not None:
            return known
        if lane.held_bytes + len(payload) > self._max_bytes:
            raise LogFull(shard.priority.word)
        lane.last_sequence += 1
        record = LogRecord(lane.last_sequence, self._now_ms(), payload)
        lane.shards.setdefault(shard, {})[record.sequence] = record
        lane.sequences[envelope_id] = record.sequence
        lane.held_bytes += len(payload)
        self._tell()
        return record.sequence

    async def raise_generation(self, priority: Priority, to: int) -> None:
        """Raises LogAbsent."""
        lane = self._lane(priority)
        lane.info = replace(lane.info, generation=max(to, lane.info.generation))

    async def last_sequence(self, priority: Priority) -> int:
        """Raises LogAbsent."""
        return self._lane(priority).last_sequence

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """Waits where the lane is missing. Raises LogShorter."""
        following = from_sequence
        read_through = 0
        reading = -1
        while True:
            grown = self._grown
            lane = self._lanes.get(shard.priority)
            if lane is not None and lane.reading != reading:
                if lane.last_sequence < read_through:
                    raise LogShorter(f"ends at {lane.last_sequence}, {read_through} was read")
                following, reading = from_sequence, lane.reading
            held = lane.shards.get(shard, {}) if lane else {}
            batch = [record for sequence, record in held.items() if sequence >= following]
            if batch:
                batch = batch[:MAX_BATCH_RECORDS]
                read_through = batch[-1].sequence
                following = read_through + 1
                yield [replace(record, reading=reading) for record in batch] if reading else batch
            else:
                await grown.wait()

    async def purge(self, shard: Shard, through_sequence: int, reading: int) -> None:
        """Raises LogAbsent, LogUnconfirmed."""
        lane = self._lane(shard.priority)
        if lane.reading != reading:
            raise LogUnconfirmed("the log must be read again before it is purged")
        held = lane.shards.get(shard, {})
        for sequence in [each for each in held if each <= through_sequence]:
            lane.held_bytes -= len(held.pop(sequence).payload)

    async def lag(self, shard: Shard) -> int:
        """Raises LogAbsent."""
        return len(self._lane(shard.priority).shards.get(shard, {}))

    async def bury(
        self, shard: Shard, record: LogRecord, why: str, rows: Sequence[int] = ()
    ) -> None:
        """Kept in `dead`."""
        self.dead.setdefault((shard, record.sequence), (record, why))

    async def standing(self, priority: Priority) -> LaneStanding:
        """Raises LogAbsent."""
        lane = self._lane(priority)
        return LaneStanding(lane.info, lane.to_shards, lane.last_sequence)

    async def close(self, priority: Priority, to_shards: int) -> int:
        """Raises LogAbsent."""
        lane = self._lane(priority)
        lane.to_shards = to_shards
        lane.last_sequence += 1
        return lane.last_sequence

    async def waiting(self, priority: Priority) -> int:
        """Raises LogAbsent."""
        return sum(map(len, self._lane(priority).shards.values()))

    async def open(self, priority: Priority, shards: int) -> None:
        """Raises LogAbsent."""
        lane = self._lane(priority)
        lane.info, lane.to_shards = replace(lane.info, shards=shards), None

    def saved(self, priority: Priority) -> Lane:
        """A copy of the lane as it is now."""
        lane = self._lane(priority)
        shards = {shard: dict(records) for shard, records in lane.shards.items()}
        return replace(lane, shards=shards, sequences=copy(lane.sequences))

    def restore(self, priority: Priority, lane: Lane | None) -> None:
        """The lane as it was saved, once; None: it is gone."""
        self._lanes.pop(priority, None)
        if lane is not None:
            lane.reading = next(self._readings)
            self._lanes[priority] = lane
        self._tell()

    def _lane(self, priority: Priority) -> Lane:
        if priority not in self._lanes:
            raise LogAbsent(priority.word)
        return self._lanes[priority]

    def _tell(self) -> None:
        # A new event for those who wait from now on; each reader took the old one before it looked.
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
