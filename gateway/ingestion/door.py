"""The ingestion door, without a transport: batches in, results out."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uuid_utils

from gateway.ingestion.account import account_refusals, record_spans
from gateway.ingestion.admission import Gatekeeper
from gateway.ingestion.columns import columns_of
from gateway.ingestion.confirmations import Confirmations
from gateway.ingestion.lanes import Lanes
from gateway.ingestion.pending import Pending
from gateway.ingestion.refusal import Refusal, error_of
from gateway.ingestion.requests import Batch, batch_of
from gateway.ingestion.resolving import policies_of
from gateway.ingestion.results import Results
from gateway.ingestion.shard_writer import ShardWriter
from gateway.ingestion.validation import clean_traceparent
from reno.catalogue.catalogue import Catalogue
from reno.config.settings import Settings
from reno.domain.identity import Backend
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, Unavailable
from reno.ports import LogAbsent, LogFull, LogUnconfirmed, LogWriter, Shard
from reno.server.turns import Turns
from reno.v1.event_pb2 import Event
from reno.wire.envelope import seal_bundles

LARGE_BATCH_EVENTS = 32
LARGE_A_TURN = 4
"""Larger batches, and large envelopes, that one turn of the event loop has: an event of high priority needs several turns from its call to its answer, and must not wait for all floods'
batches in each. One or four made no difference that could be measured, since shards rest (`committing.py`)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an accepted event stands."""

    priority: Priority
    position: int


class IngestionDoor:
    """Takes batches while it is open. A batch that was taken is answered even when its caller has gone."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        log: LogWriter,
        lanes: Lanes,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limits = settings.ingestion
        self._gatekeeper = Gatekeeper(policies_of(catalogue), settings.ingestion)
        self._log = log
        self._lanes = lanes
        self._confirmations = Confirmations(settings.ingestion.max_unconfirmed_envelopes)
        self._now_ns = now_ns
        self._now_s = now_s
        self._writers: dict[Shard, ShardWriter] = {}
        self._turns = Turns(LARGE_A_TURN)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_draining = False
        self.is_open = False
        """Set by whoever knows whether the lanes can be written."""

    async def turn(self, batch: Batch) -> None:
        """Returns when it may be taken; whoever waits is let in in the order of the calls."""
        if len(batch.events) > LARGE_BATCH_EVENTS:
            await self._turns.take()

    def take(self, backend: Backend, batch: Batch, traceparent: str = "") -> Pending:
        """Never waits: batches are in the log's order as they were taken. Raises CallerFault (no event, too many, too large), Unavailable (NOT_READY, DRAINING); then nothing was taken."""
        self.check_open()
        self._check_size(batch)
        started_ns = self._now_ns()
        traceparent = clean_traceparent(traceparent)
        events = batch.events
        columns = columns_of(events)
        shards = {lane: self._lanes.of(lane).shards for lane in LANES}
        admission = self._gatekeeper.admit(
            batch,
            columns,
            backend,
            shards,
            self._shut,
            started_ns // 1_000_000,
            traceparent,
        )
        pending = Pending(admission)
        arrived_s = self._now_s()
        for lane, parts in admission.parts.items():
            for number, part in parts.items():
                if not part.rows:
                    continue
                writer = self._writer(Shard(lane, number, shards[lane]))
                taken = writer.offer(part.rows, arrived_s, pending.answerer(part.indexes))
                if taken < len(part.indexes):
                    pending.refuse(part.indexes[taken:], writer.full)

        def account(results: Results) -> None:
            if results.refused:
                account_refusals(results, columns, traceparent)
            record_spans(results, columns, traceparent, started_ns, self._now_ns())

        pending.when_answered(account)
        return pending

    async def publish(self, backend: Backend, event: Event, traceparent: str = "") -> Receipt:
        """One event. Raises whatever `take` raises or the event's refusal says."""
        results = await self.take(backend, batch_of([event]), traceparent).results()
        answer, priority = results.answers[0], results.priorities[0]
        if isinstance(answer, Refusal):
            raise error_of(answer, "event")
        assert priority is not None
        return Receipt(priority, answer)

    def check_open(self) -> None:
        """Raises Unavailable (NOT_READY, DRAINING)."""
        if self._is_draining:
            raise Unavailable(Reason.DRAINING, "this door is going away: use another")
        if not self.is_open:
            raise Unavailable(Reason.NOT_READY, "the log is not there yet")

    async def can_write(self) -> bool:
        """Whether the log confirmed something lately, of any lane. Where envelopes were given up unconfirmed it is asked, with one a lane that has no events."""
        if self._confirmations.are_missing and any(
            await asyncio.gather(*(self._decides(lane) for lane in LANES))
        ):
            self._confirmations.came()
        return not self._confirmations.are_missing

    async def wait(self) -> None:
        """Raises what a writer failed with; never returns."""
        await asyncio.shield(self._failure)

    async def drain(self) -> None:
        """Takes nothing more and waits until everything that was taken is answered: twice deadline_s at most."""
        self._is_draining = True
        waits = [asyncio.ensure_future(writer.idle.wait()) for writer in self._writers.values()]
        idle = asyncio.gather(*waits)
        until: set[asyncio.Future[Any]] = {idle, self._failure}
        await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, *self._tasks):
            task.cancel()
        await asyncio.gather(*waits, *self._tasks, return_exceptions=True)

    async def _decides(self, lane: Priority) -> bool:
        envelope_id = uuid_utils.uuid7().bytes
        timeout_s = self._settings.for_lane(lane).log.publish_timeout_s
        shard = Shard(lane, 0, self._lanes.of(lane).shards)
        try:
            await self._log.append(
                shard, seal_bundles(envelope_id, []), envelope_id.hex(), timeout_s
            )
        except LogFull:
            return True
        except (LogAbsent, LogUnconfirmed):
            return False
        return True

    def _check_size(self, batch: Batch) -> None:
        count, limits = len(batch.events), self._limits
        if not count:
            raise CallerFault(Reason.INVALID, "the batch has no event", field="events")
        if count > limits.max_batch_events:
            message = f"{count} events, {limits.max_batch_events} are allowed"
            raise CallerFault(Reason.TOO_LARGE, message, field="events")
        if batch.size_bytes > limits.max_batch_bytes:
            message = f"{batch.size_bytes} bytes, {limits.max_batch_bytes} are allowed"
            raise CallerFault(Reason.TOO_LARGE, message, field="events")

    def _shut(self, lane: Priority, number: int) -> Refusal | None:
        writer = self._writers.get(Shard(lane, number, self._lanes.of(lane).shards))
        return writer.full if writer is not None and writer.is_shut else None

    def _writer(self, shard: Shard) -> ShardWriter:
        if shard not in self._writers:
            writer = ShardWriter(
                shard,
                self._settings.for_lane(shard.priority),
                self._log,
                self._lanes,
                self._confirmations,
                self._turns,
                self._now_s,
            )
            task = asyncio.create_task(writer.run(), name=f"write {shard}")
            task.add_done_callback(self._writer_ended)
            self._tasks.add(task)
            self._writers[shard] = writer
        return self._writers[shard]

    def _writer_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)
