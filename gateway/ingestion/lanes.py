"""What the door knows of the lanes' streams."""

import asyncio

import structlog

from reno.domain.priority import LANES, Priority
from reno.ports import LaneInfo, LogAbsent, LogWriter, Shard

_log = structlog.get_logger("gateway.ingestion")

AGAIN_S = 0.5
"""How often a lane is read at most while something of it cannot be written."""


class Lanes:
    """Each lane's generation and number of shards, as last read from the log."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log
        self._known: dict[Priority, LaneInfo] = {}
        self._looked_s: dict[Priority, float] = {}

    def of(self, priority: Priority) -> LaneInfo:
        """Raises KeyError for a lane that was never read."""
        return self._known[priority]

    def has(self, shard: Shard) -> bool:
        """False where the lane has another number of shards, as far as is known."""
        return self.of(shard.priority).shards == shard.shards

    async def read_all(self) -> bool:
        """Reads every lane; False where one is not there, with what was known before unchanged."""
        return all(await asyncio.gather(*map(self.read_again, LANES)))

    async def look_again(self, priority: Priority) -> None:
        """Reads one lane unless it was tried a moment ago."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s.get(priority, -AGAIN_S) >= AGAIN_S:
            self._looked_s[priority] = now_s
            await self.read_again(priority)

    async def read_again(self, priority: Priority) -> bool:
        """Reads one lane; False where it is not there."""
        try:
            info = await self._log.lane(priority)
        except LogAbsent:
            return False
        known = self._known.get(priority)
        if info != known:
            _log.info(
                "lane",
                priority=priority.word,
                generation=info.generation,
                shards=info.shards,
                known_before=known is not None,
            )
        self._known[priority] = info
        return True
