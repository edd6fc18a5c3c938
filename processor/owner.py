"""The owner of one shard: read, gate, store, look up, deliver, purge; always in that order, from wherever the last owner stopped."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from opentelemetry.trace import SpanKind

from processor.batch import Batch
from processor.binding import Binding, Bound
from processor.delivery import Delivery
from processor.fold import (
    Deliverables,
    Fold,
    Folded,
    LogChanged,
    deliverables_again,
    envelope_id_of,
)
from processor.past import Past, Standing
from processor.patience import Patience, Stopped
from processor.purger import Purger
from processor.stopping import Stopping
from reno.config.settings import ProcessorSettings
from reno.domain.outcome import Outcome
from reno.ports import (
    Deliverer,
    Inbox,
    LogFull,
    LogReader,
    LogRecord,
    LogShorter,
    PresenceLookup,
    Shard,
)
from reno.telemetry import metrics
from reno.telemetry.traces import record_hop

_log = structlog.get_logger("reno.processor")

Batches = asyncio.Queue[Batch | None]


class _LogRisen(Exception):
    """The lane is in another generation than the one that is read."""


class _Overtaken(Exception):
    """Another owner processed what this one has not read."""


class Owner:
    """`run` until `stopping` is said; raises what nobody expected. Two owners of a shard do no harm."""

    def __init__(
        self,
        shard: Shard,
        generation: int,
        settings: ProcessorSettings,
        log: LogReader,
        inbox: Inbox,
        presence: PresenceLookup,
        deliverer: Deliverer,
        stopping: Stopping,
    ) -> None:
        """`generation`: the lane's, until the owner is ready."""
        self.shard = shard
        self.ready = asyncio.Event()
        """Past its journal."""
        self._settings = settings
        self._log = log
        self._inbox = inbox
        self._presence = presence
        self._deliverer = deliverer
        self._stopping = stopping
        self._patience = Patience(shard, stopping, settings.retry_s)
        self._halted = asyncio.Event()
        self._bound = Bound(generation, Fold(generation), Past(generation, None))

    def heed(self, generation: int) -> None:
        """The lane's generation as the log says it now: where it is another one, the owner binds again."""
        if self.ready.is_set() and generation != self._bound.generation:
            self._halted.set()

    async def run(self) -> None:
        """Returns after everything that was stored is delivered and purged."""
        binding = Binding(self.shard, self._settings, self._log, self._inbox, self._patience)
        changed_in: int | None = None
        was_overtaken = False
        while True:
            try:
                self._bound = await binding.bind(changed_in)
            except Stopped:
                return
            self._halted.clear()
            self.ready.set()
            trouble = await self._own()
            if trouble is None:
                return
            changed_in = self._bound.generation if isinstance(trouble, LogChanged) else None
            pause_s = self._settings.retry_s
            if isinstance(trouble, _Overtaken):
                _log.info("begins again", shard=self.shard.number, why=str(trouble))
                # The last words of the owner before are no reason to wait; two that go on side by side are.
                pause_s, was_overtaken = pause_s if was_overtaken else 0.0, True
            else:
                _log.error("the log may be another one", shard=self.shard.number, why=str(trouble))
            if await self._stopping.said_within(pause_s):
                return

    async def _own(self) -> Exception | None:
        """Until the process stops, or until the log must be compared with the journal anew: why."""
        # One batch waits, stored, while the one before it is delivered.
        batches = Batches(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            purger = Purger(self.shard, self._settings, self._log, self._inbox, self._stopping)
            delivery = Delivery(
                self.shard,
                self._settings,
                self._presence,
                self._deliverer,
                tasks.create_task,
            )
            storing = tasks.create_task(self._store_all(batches, purger))
            tasks.create_task(self._deliver_all(batches, delivery, purger))
            tasks.create_task(purger.run())
        return storing.result()

    async def _store_all(self, batches: Batches, purger: Purger) -> Exception | None:
        trouble: Exception | None = None
        try:
            async with aclosing(self._records()) as arrivals:
                async for records in arrivals:
                    self._bound.past.purged(purger.purged)
                    await self._look_round()
                    await self._store(records, batches)
                    purger.read(records[-1].reading, records[-1].sequence)
        except Stopped:
            pass
        except (LogChanged, LogShorter, _LogRisen, _Overtaken) as error:
            trouble = error
        # Not after a failure or a cancellation: nobody would take it.
        await batches.put(None)
        return trouble

    async def _records(self) -> AsyncGenerator[list[LogRecord]]:
        """What the log holds and what comes, until the process stops. Raises LogShorter, and _LogRisen."""
        reading = self._log.read(self.shard, 1)
        ends = [
            asyncio.ensure_future(self._stopping.wait()),
            asyncio.ensure_future(self._halted.wait()),
        ]
        following: asyncio.Future[list[LogRecord]] | None = None
        try:
            while not self._stopping.said:
                if self._halted.is_set():
                    raise _LogRisen(f"not in generation {self._bound.generation} any more")
                following = asyncio.ensure_future(anext(reading))
                await asyncio.wait({following, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    yield following.result()
                elif not self._halted.is_set():
                    return
        finally:
            pending = [task for task in (*ends, following) if task is not None and not task.done()]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            if isinstance(reading, AsyncGenerator):
                await reading.aclose()

    async def _look_round(self) -> None:
        """Raises _Overtaken. Another owner may have purged what it processed, unread by this one, whose window and memory of members would lack it; what was read
        before this look has no such holes."""

        async def look() -> None:
            newest = await self._inbox.last_entry(self.shard)
            if newest is not None:
                place = newest.generation, newest.sequence
                if place > (self._bound.generation, self._bound.past.through):
                    raise _Overtaken(f"sequence {newest.sequence} was processed by another owner")

        await self._patience.until_done(look, "journal not read")

    async def _store(self, records: list[LogRecord], batches: Batches) -> None:
        self._bound.fold.foresee(records)
        batch = Batch(time.time_ns())
        for record in records:
            await self._take(record, batch)
            if batch.is_full(self._settings.max_batch_events):
                await self._keep(batch, batches)
                batch = Batch(time.time_ns())
        if batch.through_sequence:
            await self._keep(batch, batches)

    async def _take(self, record: LogRecord, batch: Batch) -> None:
        """Puts what must be done for the message into the batch. Raises LogChanged."""
        past = self._bound.past
        if past.needs_journal(record):
            await self._patience.until_done(lambda: self._remember(record), "journal not read")
        standing = past.standing(record)
        if standing is Standing.HANDED_ON:
            return
        if standing is Standing.NEW:
            folded = self._bound.fold.fold(record)
            if folded.unreadable is not None:
                await self._bury(record, folded, folded.unreadable)
            batch.add(record, folded)
            past.handed_on(record.sequence, folded.write.entry.envelope_id)
            return
        entry = past.entry_of(record)
        again = Deliverables() if entry is None else deliverables_again(record, entry)
        batch.add_again(record, again)
        past.handed_on(record.sequence, envelope_id_of(record))

    async def _remember(self, first: LogRecord) -> None:
        # An entry's log time is never before its message's own time.
        entries = self._inbox.journal(self.shard, first.timestamp_ms)
        self._bound.past.remember(
            [entry async for entry in entries if entry.sequence >= first.sequence]
        )

    async def _keep(self, batch: Batch, batches: Batches) -> None:
        """Returns when the batch is durable and handed on; the log holds what the inbox does not take."""
        if batch.writes:
            await self._patience.until_done(
                lambda: self._inbox.append(self.shard, batch.writes), "inbox does not answer"
            )
            for outcome, events in batch.outcomes().items():
                if events:
                    labels = {"outcome": outcome.name, "priority": self.shard.priority.word}
                    metrics.outcomes.add(events, labels)
        await batches.put(batch)

    async def _bury(self, record: LogRecord, folded: Folded, why: str) -> None:
        """Returns when the letter is kept, or when there is no room for it: poison must not hold the shard."""
        verdicts = folded.write.entry.verdicts
        rows = [index for index, verdict in enumerate(verdicts) if verdict == Outcome.DEAD]
        where = {"shard": self.shard.number, "sequence": record.sequence, "why": why}
        _log.error("unreadable", **where)

        async def bury() -> None:
            try:
                await self._log.bury(self.shard, record, why, rows)
            except LogFull:
                metrics.dead_letters_lost.add(1, {"priority": self.shard.priority.word})
                _log.error("lost: the dead-letter stream is full (reno dlq)", **where)

        await self._patience.until_done(bury, "not buried")

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
            if batch.deliverables.rows:
                await delivery.deliver(batch.deliverables)
            self._trace(batch)
            purger.delivered(batch.through_sequence, batch.log_time_ms)
        delivery.stop()
        purger.finish()

    def _trace(self, batch: Batch) -> None:
        ended_ns = time.time_ns()
        for position, traceparent in batch.deliverables.traceparents.items():
            attributes: dict[str, str | int] = {
                "reno.priority": self.shard.priority.word,
                "reno.shard": self.shard.number,
                "reno.position": position,
            }
            record_hop(
                traceparent,
                "reno.process",
                SpanKind.CONSUMER,
                batch.started_ns,
                ended_ns,
                attributes,
            )
