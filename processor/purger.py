"""Drops what was delivered from the log, little and often, beside the work; and now and then what the journal need not keep."""

import asyncio

import structlog

from processor.stopping import Stopping
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.config.settings import ProcessorSettings
from reno.errors import TryLater, Unavailable
from reno.ports import Inbox, LogAbsent, LogReader, LogUnconfirmed, Shard

_log = structlog.get_logger("reno.processor")

TRIM_EVERY_MS = 600_000
"""Of log time, between two trims of the journal."""

QUIET_S = 3600.0
"""A shard without events for so long has its journal looked after all the same: an inbox may drop what is never written again."""


class Purger:
    """One shard's; at most one purge in flight, and each goes as far as was delivered by then."""

    def __init__(
        self,
        shard: Shard,
        settings: ProcessorSettings,
        log: LogReader,
        inbox: Inbox,
        stopping: Stopping,
    ) -> None:
        self._shard = shard
        self._retry_s = settings.retry_s
        self._keep_ms = max(int(settings.explain_s * 1000), LONGEST_WINDOW_MS)
        self._log = log
        self._inbox = inbox
        self._stopping = stopping
        self._delivered = 0
        self._purged = 0
        self._read = (0, 0)
        self._log_time_ms = 0
        self._trimmed_at_ms = 0
        self._news = asyncio.Event()
        self._is_last = False

    @property
    def purged(self) -> int:
        """The log has nothing up to here any more, unless it came back."""
        return self._purged

    def read(self, reading: int, through_sequence: int) -> None:
        """What the log holds up to here was read, in this reading of it, and is what it should be: only that may be dropped."""
        self._read = reading, through_sequence
        if self._purgeable > self._purged:
            self._news.set()

    def delivered(self, through_sequence: int, log_time_ms: int) -> None:
        """The log needs nothing up to here any more. `log_time_ms`: of what was delivered, not of what is stored by now, whose entries are needed after a crash; 0 says nothing."""
        if through_sequence <= self._purged:
            # A server that crashed may show again what was purged.
            self._purged = 0
        self._delivered = max(self._delivered, through_sequence)
        self._log_time_ms = max(self._log_time_ms, log_time_ms)
        self._news.set()

    def finish(self) -> None:
        """`run` ends after one more purge."""
        self._is_last = True
        self._news.set()

    async def run(self) -> None:
        """Until `finish`. Retries while the log does not answer; gives up then only at the end, since an owner may always deliver again."""
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._news.wait()
            except TimeoutError:
                await self._trim()
                continue
            self._news.clear()
            is_last = self._is_last
            while self._purged < self._purgeable and not await self._purge():
                if self._is_last or await self._stopping.said_within(self._retry_s):
                    break
            if is_last:
                return
            if self._log_time_ms - self._trimmed_at_ms >= TRIM_EVERY_MS:
                await self._trim()

    @property
    def _purgeable(self) -> int:
        return min(self._delivered, self._read[1])

    async def _purge(self) -> bool:
        through, reading = self._purgeable, self._read[0]
        try:
            await self._log.purge(self._shard, through, reading)
        except (LogAbsent, LogUnconfirmed, Unavailable) as error:
            _log.warning("purge failed", shard=self._shard.number, why=str(error))
            return False
        self._purged = through
        return True

    async def _trim(self) -> None:
        try:
            await self._inbox.trim_journal(self._shard, self._log_time_ms - self._keep_ms)
        except (Unavailable, TryLater) as error:
            _log.warning("journal not trimmed", shard=self._shard.number, why=error.message)
            return
        self._trimmed_at_ms = self._log_time_ms
