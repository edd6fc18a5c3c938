"""A log that fails by a schedule; nothing else about it is faked."""

import asyncio
from collections import deque

from reno.adapters.memory_log import MemoryLog
from reno.domain.priority import LANES, Priority
from reno.ports import LaneInfo, LogUnconfirmed, Shard
from reno.v1.envelope_pb2 import Row
from reno.wire.envelope import open_envelope


class ScriptedLog(MemoryLog):
    """Each append first meets the next of `failures`: an error to raise, or None. `lost_answers` store and do not say so."""

    def __init__(self, *, shards: int = 1) -> None:
        super().__init__(shards=shards)
        self.failures: deque[Exception | None] = deque()
        self.always: Exception | None = None
        self.silent: set[Priority] = set()
        """Lanes that confirm nothing."""
        self.lost_answers = 0
        self.attempts: list[tuple[Shard, bytes, str, float]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.generation = 0
        self.in_flight: dict[Shard, int] = {}
        self.most_in_flight = 0

    async def open_lanes(self) -> None:
        for lane in LANES:
            await self.open_lane(lane)

    async def lane(self, priority: Priority) -> LaneInfo:
        return LaneInfo(self.generation, (await super().lane(priority)).shards)

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        self.attempts.append((shard, payload, envelope_id, timeout_s))
        self.in_flight[shard] = self.in_flight.get(shard, 0) + 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight[shard])
        try:
            await self.gate.wait()
            failure = self.failures.popleft() if self.failures else self.always
            if failure is None and shard.priority in self.silent:
                failure = LogUnconfirmed("silent")
            if failure is not None:
                raise failure
            sequence = await super().append(shard, payload, envelope_id, timeout_s)
        finally:
            self.in_flight[shard] -= 1
        if self.lost_answers:
            self.lost_answers -= 1
            raise LogUnconfirmed("the answer was lost")
        return sequence

    def ids_by_envelope(self) -> list[list[str]]:
        """As attempted."""
        return [
            [Row.FromString(row).event.id for row in open_envelope(payload).rows]
            for _, payload, _, _ in self.attempts
        ]
