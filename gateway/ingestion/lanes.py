"""What the door knows of the lanes' streams."""

import asyncio

import structlog

from reno.domain.priority import LANES, Priority
from reno.ports import LaneInfo, LogAbsent, LogWriter

_log = structlog.get_logger("gateway.ingestion")


class Lanes:
    """Each lane's generation and number of shards, as last read from the log."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log
        self._known: dict[Priority, LaneInfo] = {}

    def of(self, priority: Priority) -> LaneInfo:
        """Raises KeyError for a lane that was never read."""
        return self._known[priority]

    async def read_all(self) -> bool:
        """Reads every lane; False where one is not there, with what was known before unchanged."""
        return all(await asyncio.gather(*map(self.read_again, LANES)))

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
