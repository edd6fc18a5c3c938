"""Trying until it works: what surrounds an owner comes back, or the process stops."""

from collections.abc import Awaitable, Callable

import structlog

from processor.stopping import Stopping
from reno.errors import TryLater, Unavailable
from reno.ports import LogAbsent, LogFull, LogUnconfirmed, Shard

_log = structlog.get_logger("reno.processor")


class LogBehindJournal(Exception):
    """The log is shorter, or of an older generation, than what was processed from it; or it only seems so for a moment."""


class Stopped(Exception):
    """What was being tried for ever is left to the next owner."""


class Patience:
    """One shard's."""

    def __init__(self, shard: Shard, stopping: Stopping, retry_s: float) -> None:
        self._shard = shard
        self._stopping = stopping
        self._retry_s = retry_s

    async def until_done(self, attempt: Callable[[], Awaitable[None]], trouble: str) -> None:
        """Tries until it works, with a pause of retry_s; raises Stopped when the process stops meanwhile."""
        said = ""
        while True:
            try:
                await attempt()
            except (
                Unavailable,
                TryLater,
                LogAbsent,
                LogFull,
                LogUnconfirmed,
                LogBehindJournal,
            ) as error:
                if str(error) != said:
                    said = str(error)
                    _log.error(trouble, shard=self._shard.number, why=said)
            else:
                return
            if await self._stopping.said_within(self._retry_s):
                raise Stopped
