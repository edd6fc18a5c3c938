"""The owner of one shard: read, gate, store, look up, deliver, purge; always in that order, from wherever the last owner stopped."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog
from opentelemetry.trace import SpanKind

from processor.batch import Batch
from processor.delivery import Delivery
from processor.fold import Deliverable, Fold, LogChanged, deliverables_again
from processor.purger import Purger
from processor.stopping import Stopping
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.config.settings import ProcessorSettings
from reno.errors import TryLater, Unavailable
from reno.ports import (
    Deliverer,
    Inbox,
    JournalEntry,
    LaneInfo,
    LogAbsent,
    LogFull,
    LogReader,
    LogRecord,
    LogUnconfirmed,
    PresenceLookup,
    Shard,
)
from reno.telemetry import metrics
from reno.telemetry.traces import record_hop

_log = structlog.get_logger("reno.processor")

Batches = asyncio.Queue[Batch | None]


class LogBehindJournal(Exception):
    """The log is shorter, or of an older generation, than what was processed from it."""


class _Stopped(Exception):
    """What was being tried for ever is left to the next owner."""


class Owner:
    """`run` until `stopping` is said; raises what nobody expected. Two owners of a shard do no harm."""

    def __init__(
        self,
        shard: Shard,
        lane: LaneInfo,
        settings: ProcessorSettings,
        log: LogReader,
        inbox: Inbox,
        presence: PresenceLookup,
        deliverer: Deliverer,
        stopping: Stopping,
    ) -> None:
        self.shard = shard
        self.ready = asyncio.Event()
        """Past its journal."""
        self._lane = lane
        self._settings = settings
        self._log = log
        self._inbox = inbox
        self._presence = presence
        self._deliverer = deliverer
        self._stopping = stopping
        self._fold = Fold(lane.generation)
        self._mark = (0, 0)
        self._journalled_since_ms = 0
        self._read_through = 0

    async def run(self) -> None:
        """Returns after everything that was stored is delivered and purged."""
        try:
            await self._until_done(self._restore, "owner waits")
        except _Stopped:
            return
        self.ready.set()
        # One batch waits, stored, while the one before it is delivered.
        batches = Batches(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            purger = Purger(self.shard, self._settings, self._log, self._inbox, self._stopping)
            delivery = Delivery(
                self.shard,
                self._lane.shards,
                self._settings,
                self._presence,
                self._deliverer,
                tasks.create_task,
            )
            tasks.create_task(self._store_all(batches))
            tasks.create_task(self._deliver_all(batches, delivery, purger))
            tasks.create_task(purger.run())

    async def _restore(self) -> None:
        mark = await self._inbox.last_entry(self.shard)
        last_sequence = await self._log.last_sequence(self.shard.priority)
        if mark is not None:
            place = (mark.generation, mark.sequence)
            if place > (self._lane.generation, last_sequence):
                raise LogBehindJournal(
                    f"the log ends at generation {self._lane.generation}, sequence {last_sequence}, "
                    f"but {place[1]} of generation {place[0]} was processed: was it restored or made anew?"
                )
            fold = Fold(self._lane.generation)
            since_ms = mark.log_time_ms - LONGEST_WINDOW_MS
            async for entry in self._inbox.journal(self.shard, since_ms):
                fold.restore(entry)
            self._fold, self._mark, self._journalled_since_ms = fold, place, since_ms

    async def _store_all(self, batches: Batches) -> None:
        try:
            async with aclosing(self._records()) as arrivals:
                journalled: dict[int, JournalEntry] | None = None
                async for records in arrivals:
                    if journalled is None:
                        journalled = await self._journalled(records[0])
                    await self._store(records, journalled, batches)
        except _Stopped:
            pass
        # Not after a failure or a cancellation: nobody would take it.
        await batches.put(None)

    async def _records(self) -> AsyncGenerator[list[LogRecord]]:
        """What the log holds and what comes, until the process stops."""
        reading = self._log.read(self.shard, 1)
        stop = asyncio.ensure_future(self._stopping.wait())
        following: asyncio.Future[list[LogRecord]] | None = None
        try:
            while not self._stopping.said:
                following = asyncio.ensure_future(anext(reading))
                await asyncio.wait({following, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    return
                yield following.result()
        finally:
            pending = [task for task in (stop, following) if task is not None and not task.done()]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            if isinstance(reading, AsyncGenerator):
                await reading.aclose()

    async def _journalled(self, first: LogRecord) -> dict[int, JournalEntry]:
        """What the journal says of messages that are in the log though they were stored: their delivery is in doubt."""
        found: dict[int, JournalEntry] = {}
        if not self._is_stored(first):
            return found

        async def read() -> None:
            # An entry's log time is never before its message's own time.
            async for entry in self._inbox.journal(self.shard, first.timestamp_ms):
                if entry.generation == self._lane.generation and entry.sequence >= first.sequence:
                    found[entry.sequence] = entry

        await self._until_done(read, "journal not read")
        return found

    async def _store(
        self,
        records: list[LogRecord],
        journalled: dict[int, JournalEntry],
        batches: Batches,
    ) -> None:
        batch = Batch(time.time_ns())
        for record in records:
            if record.sequence <= self._read_through:
                continue
            self._read_through = record.sequence
            if self._is_stored(record):
                batch.add_again(record, self._again(record, journalled))
            else:
                folded = self._fold.fold(record)
                if folded.unreadable is not None:
                    await self._bury(record, folded.unreadable)
                batch.add(record, folded)
            if batch.is_full(self._settings.max_batch_events):
                await self._keep(batch, batches)
                batch = Batch(time.time_ns())
        if batch.through_sequence:
            await self._keep(batch, batches)

    def _again(self, record: LogRecord, journalled: dict[int, JournalEntry]) -> list[Deliverable]:
        """Raises LogChanged, also where the journal would know the message and does not: it was never stored."""
        entry = journalled.pop(record.sequence, None)
        if entry is not None:
            return deliverables_again(record, entry)
        if record.timestamp_ms >= self._journalled_since_ms:
            raise LogChanged(f"sequence {record.sequence} is new, but the mark is {self._mark}")
        return []

    async def _keep(self, batch: Batch, batches: Batches) -> None:
        """Returns when the batch is durable and handed on; the log holds what the inbox does not take."""
        if batch.writes:
            await self._until_done(
                lambda: self._inbox.append(self.shard, batch.writes), "inbox does not answer"
            )
            for outcome, events in batch.outcomes().items():
                if events:
                    labels = {"outcome": outcome.name, "priority": self.shard.priority.word}
                    metrics.outcomes.add(events, labels)
        await batches.put(batch)

    async def _bury(self, record: LogRecord, why: str) -> None:
        _log.error("unreadable", shard=self.shard.number, sequence=record.sequence, why=why)
        await self._until_done(lambda: self._log.bury(self.shard, record, why), "not buried")

    async def _deliver_all(self, batches: Batches, delivery: Delivery, purger: Purger) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.retry_s if delivery.owing else None):
                    batch = await batches.get()
            except TimeoutError:
                await delivery.mend()
                continue
            if batch is None:
                break
            if batch.deliverables:
                await delivery.deliver(batch.deliverables)
            self._trace(batch)
            purger.delivered(batch.through_sequence, batch.log_time_ms)
        purger.finish()

    def _trace(self, batch: Batch) -> None:
        ended_ns = time.time_ns()
        for row in batch.deliverables:
            if row.traceparent:
                attributes: dict[str, str | int] = {
                    "reno.priority": self.shard.priority.word,
                    "reno.shard": self.shard.number,
                    "reno.position": row.position,
                }
                record_hop(
                    row.traceparent,
                    "reno.process",
                    SpanKind.CONSUMER,
                    batch.started_ns,
                    ended_ns,
                    attributes,
                )

    def _is_stored(self, record: LogRecord) -> bool:
        return (self._lane.generation, record.sequence) <= self._mark

    async def _until_done(self, attempt: Callable[[], Awaitable[None]], trouble: str) -> None:
        """Tries until it works, with a pause of retry_s; raises _Stopped when the process stops meanwhile."""
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
                    _log.error(trouble, shard=self.shard.number, why=said)
            else:
                return
            if await self._stopping.said_within(self._settings.retry_s):
                raise _Stopped
