"""The shell around one shard's group commit: one envelope under way, the same bytes again until the log has decided."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count, repeat

import structlog
import uuid_utils

from gateway.ingestion.attempts import Failure, pause_s, verdict_of
from gateway.ingestion.committing import LARGE_ENVELOPE_BYTES, Answer, GroupCommit, Load
from gateway.ingestion.confirmations import Confirmations
from gateway.ingestion.lanes import Lanes
from gateway.ingestion.refusal import Refusal
from reno.config.settings import Settings
from reno.domain.position import UNPLACED, position_of
from reno.domain.reason import Reason
from reno.ports import LogAbsent, LogFull, LogUnconfirmed, LogWriter, Shard
from reno.server.turns import Turns
from reno.telemetry import metrics
from reno.wire.envelope import seal_bundles
from reno.wire.logged_row import LoggedRow

_log = structlog.get_logger("gateway.ingestion")


class ShardWriter:
    """Writes one shard's rows in the order in which they were offered; none any more once the lane has another number of shards."""

    def __init__(
        self,
        shard: Shard,
        settings: Settings,
        log: LogWriter,
        lanes: Lanes,
        confirmations: Confirmations,
        turns: Turns,
        now_s: Callable[[], float],
    ) -> None:
        """`turns`: of the door's loop, for large envelopes."""
        door = settings.ingestion
        self._shard = shard
        self._log = log
        self._lanes = lanes
        self._confirmations = confirmations
        self._turns = turns
        self._now_s = now_s
        self._linger_s = door.linger_s
        self._deadline_s = door.deadline_s
        self._attempt_s = settings.log.publish_timeout_s
        self._retry_after_s = door.retry_after_s
        self.full = self._refusal(Reason.FULL, "too much waits for the log already")
        """What an offer without room is to be told."""
        self._group = GroupCommit(
            max_envelope_events=door.max_envelope_events,
            max_envelope_bytes=door.max_envelope_bytes,
            max_waiting_bytes=door.max_waiting_bytes_per_shard,
        )
        self._work = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def offer(self, rows: Sequence[LoggedRow], arrived_s: float, answer: Answer) -> int:
        """See GroupCommit.offer. Never waits."""
        taken = self._group.offer(rows, arrived_s, answer)
        if taken:
            self.idle.clear()
            self._work.set()
        return taken

    @property
    def is_shut(self) -> bool:
        """See GroupCommit.is_shut."""
        return self._group.is_shut

    async def run(self) -> None:
        """Until cancelled. What is under way then is not answered any more."""
        while True:
            await self._work.wait()
            if self._linger_s:
                await asyncio.sleep(self._linger_s)
            while (load := await self._next()) is not None:
                began_s = self._now_s()
                await self._commit(load)
                rest_s = self._group.rest_s(load.size_bytes, self._now_s() - began_s)
                if rest_s:
                    await asyncio.sleep(rest_s)
            self._work.clear()
            self.idle.set()

    async def _next(self) -> Load | None:
        if self._group.waiting_bytes > LARGE_ENVELOPE_BYTES:
            await self._turns.take()
        late = self._group.give_up(self._now_s() - self._deadline_s)
        if late is not None:
            late.refuse(self._refusal(Reason.NOT_READY))
        return self._group.take()

    async def _commit(self, load: Load) -> None:
        envelope_id = uuid_utils.uuid7().bytes
        payload = seal_bundles(envelope_id, load.bundles)
        sequence = await self._append(payload, envelope_id.hex())
        word = self._shard.priority.word
        if sequence is Reason.UNCERTAIN:
            self._confirmations.missed()
        elif sequence is not Reason.NOT_READY:
            self._confirmations.came()
        if isinstance(sequence, Reason):
            _log.warning(
                "envelope given up",
                priority=word,
                shard=self._shard.number,
                envelope=envelope_id.hex(),
                events=load.events,
                reason=sequence.name,
            )
            load.refuse(self._refusal(sequence))
            # In order: nothing of a batch is stored behind what was refused. Behind an UNCERTAIN it may be.
            if sequence is not Reason.UNCERTAIN and (rest := self._group.rest_of(load)) is not None:
                rest.refuse(self._refusal(sequence))
            return
        generation = self._lanes.of(self._shard.priority).generation
        is_sure = sequence != UNPLACED
        load.accept(count(position_of(generation, sequence, 0)) if is_sure else repeat(UNPLACED))
        metrics.envelopes.add(1, {"priority": word})
        metrics.accepted.add(load.events, {"priority": word})

    async def _append(self, payload: bytes, envelope_id: str) -> int | Reason:
        """The sequence; UNPLACED: it is stored, perhaps before what the log said last."""
        deadline_s = self._now_s() + self._deadline_s
        may_be_stored = False
        failures = 0
        while True:
            if not self._lanes.has(self._shard):
                # Whoever repeats it has it written to its member's new shard.
                return Reason.UNCERTAIN if may_be_stored else Reason.NOT_READY
            left_s = deadline_s - self._now_s()
            try:
                sequence = await self._log.append(
                    self._shard, payload, envelope_id, min(self._attempt_s, max(left_s, 0.001))
                )
            except LogFull:
                failure = Failure.FULL
            except LogAbsent:
                failure = Failure.ABSENT
            except LogUnconfirmed:
                failure = Failure.UNCONFIRMED
                may_be_stored = True
            else:
                if failures:
                    # What came back may be another log than what went away: its generation is part of every position.
                    await self._lanes.read_again(self._shard.priority)
                # A log that was started anew knows no repeat of what was processed and purged before: it stores another one, which the fold drops.
                return UNPLACED if may_be_stored else sequence
            failures += 1
            left_s = deadline_s - self._now_s()
            verdict = verdict_of(failure, may_be_stored=may_be_stored, left_s=left_s)
            if verdict is not None:
                return verdict
            if failure is Failure.ABSENT:
                await self._lanes.look_again(self._shard.priority)
            await asyncio.sleep(pause_s(failures, left_s))

    def _refusal(self, reason: Reason, message: str = "") -> Refusal:
        return Refusal(reason, message or _MESSAGES[reason], retry_after_s=self._retry_after_s)


_MESSAGES = {
    Reason.FULL: "the log is full: nothing was stored",
    Reason.NOT_READY: "the log does not answer: nothing was stored",
    Reason.UNCERTAIN: "the log did not confirm in time: repeat with the same id",
}
