"""A log in memory, for tests and simulations: same promises as the real one, except that it ends with its process."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogFull, LogRecord, Shard

MAX_BATCH_RECORDS = 512


@dataclass(slots=True)
class _Lane:
    info: LaneInfo
    last_sequence: int = 0
    held_bytes: int = 0
    shards: dict[int, dict[int, LogRecord]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)


class MemoryLog:
    """Implements reno.ports.LogWriter and LogReader. Ids are remembered for ever; bytes count payloads only."""

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
        self._lanes: dict[Priority, _Lane] = {}
        self._grown = asyncio.Event()
        self.dead: dict[tuple[Shard, int], tuple[LogRecord, str]] = {}

    async def lane(self, priority: Priority) -> LaneInfo:
        """Raises LogAbsent."""
        return self._lane(priority).info

    async def open_lane(self, priority: Priority) -> LaneInfo:
        """Creates the lane where it is missing."""
        if priority not in self._lanes:
            self._lanes[priority] = _Lane(LaneInfo(0, self._shards))
            self._tell()
        return self._lanes[priority].info

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        """Raises LogFull, LogAbsent."""
        lane = self._lane(shard.priority)
        if (known := lane.sequences.get(envelope_id)) is not None:
            return known
        if lane.held_bytes + len(payload) > self._max_bytes:
            raise LogFull(shard.priority.word)
        lane.last_sequence += 1
        record = LogRecord(lane.last_sequence, self._now_ms(), payload)
        lane.shards.setdefault(shard.number, {})[record.sequence] = record
        lane.sequences[envelope_id] = record.sequence
        lane.held_bytes += len(payload)
        self._tell()
        return record.sequence

    async def last_sequence(self, priority: Priority) -> int:
        """Raises LogAbsent."""
        return self._lane(priority).last_sequence

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """Waits where the lane is missing."""
        following = from_sequence
        while True:
            grown = self._grown
            lane = self._lanes.get(shard.priority)
            held = lane.shards.get(shard.number, {}) if lane else {}
            batch = [record for sequence, record in held.items() if sequence >= following]
            if batch:
                batch = batch[:MAX_BATCH_RECORDS]
                following = batch[-1].sequence + 1
                yield batch
            else:
                await grown.wait()

    async def purge(self, shard: Shard, through_sequence: int) -> None:
        """Raises LogAbsent."""
        lane = self._lane(shard.priority)
        held = lane.shards.get(shard.number, {})
        for sequence in [each for each in held if each <= through_sequence]:
            lane.held_bytes -= len(held.pop(sequence).payload)

    async def lag(self, shard: Shard) -> int:
        """Raises LogAbsent."""
        return len(self._lane(shard.priority).shards.get(shard.number, {}))

    async def bury(self, shard: Shard, record: LogRecord, why: str) -> None:
        """Kept in `dead`."""
        self.dead.setdefault((shard, record.sequence), (record, why))

    def _lane(self, priority: Priority) -> _Lane:
        if priority not in self._lanes:
            raise LogAbsent(priority.word)
        return self._lanes[priority]

    def _tell(self) -> None:
        # A new event for those who wait from now on; each reader took the old one before it looked.
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
