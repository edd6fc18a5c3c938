"""The fold over a shard's log: verdicts, rows and journal from the log alone. The same log gives the same writes, in any batching and after any restart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processor.duplicate_window import DuplicateWindow
from reno.catalogue.entry import LONGEST_WINDOW_MS
from reno.domain.member import IDENTITY_BYTES, member_key
from reno.domain.outcome import Outcome
from reno.domain.position import MAX_EVENTS_PER_ENVELOPE, position_of
from reno.gates import is_duplicate
from reno.ports import EnvelopeWrite, JournalEntry, LogRecord, RowWrite
from reno.v1.envelope_pb2 import Row
from reno.wire.envelope import ENVELOPE_ID_BYTES, Unreadable, open_envelope, open_row

_NO_IDENTITY = bytes(IDENTITY_BYTES)
_STORED = int(Outcome.STORED)
_DUPLICATE = int(Outcome.DUPLICATE)


class Deliverable(NamedTuple):
    """A stored row as delivery needs it; `row` is the log's bytes."""

    member_key: bytes
    tenant: str
    member_id: str
    position: int
    row: bytes
    store_only: bool
    traceparent: str


@dataclass(frozen=True, slots=True)
class Folded:
    """What one log message comes to. `unreadable`: why something of it could not be processed, so that it must be buried before the journal says so; else None."""

    write: EnvelopeWrite
    deliverables: Sequence[Deliverable]
    unreadable: str | None


class LogChanged(Exception):
    """The log holds something else at a sequence than what was journalled from there."""


class Fold:
    """One shard's state: log time and what was seen inside the longest window."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._log_time_ms = 0
        self._identities = DuplicateWindow(IDENTITY_BYTES, LONGEST_WINDOW_MS)
        self._envelope_ids = DuplicateWindow(ENVELOPE_ID_BYTES, LONGEST_WINDOW_MS)

    @property
    def log_time_ms(self) -> int:
        """The largest timestamp of the log so far."""
        return self._log_time_ms

    def restore(self, entry: JournalEntry) -> None:
        """Takes the journal's entries in order; those with log time >= the newest one's - LONGEST_WINDOW_MS are enough."""
        now_ms = self._log_time_ms = max(self._log_time_ms, entry.log_time_ms)
        if entry.repeated_envelope or not entry.envelope_id:
            return
        self._envelope_ids.remember(entry.envelope_id, now_ms)
        for index, verdict in enumerate(entry.verdicts):
            if verdict == _STORED:
                start = index * IDENTITY_BYTES
                self._identities.remember(entry.identities[start : start + IDENTITY_BYTES], now_ms)

    def fold(self, record: LogRecord) -> Folded:
        """Records in log order, each once."""
        now_ms = self._log_time_ms = max(self._log_time_ms, record.timestamp_ms)
        try:
            envelope_id, rows = _open(record)
        except Unreadable as error:
            return Folded(EnvelopeWrite(self._entry(record.sequence, b""), ()), (), str(error))
        if self._envelope_ids.first_ms(envelope_id, now_ms) is not None:
            entry = self._entry(record.sequence, envelope_id, repeated=True)
            return Folded(EnvelopeWrite(entry, ()), (), None)
        self._envelope_ids.remember(envelope_id, now_ms)

        verdicts = bytearray()
        identities: list[bytes] = []
        writes: list[RowWrite] = []
        deliverables: list[Deliverable] = []
        unreadable: str | None = None
        first_position = position_of(self._generation, record.sequence, 0)
        for index, row_bytes in enumerate(rows):
            try:
                row = _open_event(row_bytes)
            except Unreadable as error:
                verdicts.append(Outcome.DEAD)
                identities.append(_NO_IDENTITY)
                unreadable = unreadable or f"event {index}: {error}"
                continue
            identity = row.identity
            identities.append(identity)
            first_ms = self._identities.first_ms(identity, now_ms)
            if first_ms is not None and is_duplicate(first_ms, row.window_ms, now_ms):
                verdicts.append(_DUPLICATE)
                continue
            verdicts.append(_STORED)
            self._identities.remember(identity, now_ms)
            deliverable = _deliverable(row, row_bytes, first_position + index)
            writes.append(RowWrite(deliverable[0], deliverable[3], row.expires_at_ms, row_bytes))
            deliverables.append(deliverable)
        entry = self._entry(record.sequence, envelope_id, bytes(verdicts), b"".join(identities))
        return Folded(EnvelopeWrite(entry, writes), deliverables, unreadable)

    def _entry(
        self,
        sequence: int,
        envelope_id: bytes,
        verdicts: bytes = b"",
        identities: bytes = b"",
        *,
        repeated: bool = False,
    ) -> JournalEntry:
        return JournalEntry(
            self._generation,
            sequence,
            self._log_time_ms,
            envelope_id,
            verdicts,
            identities,
            repeated,
        )


def deliverables_again(record: LogRecord, entry: JournalEntry) -> list[Deliverable]:
    """What the message came to when it was journalled: for one that was stored and perhaps not delivered. Raises LogChanged."""
    try:
        envelope_id, rows = _open(record)
    except Unreadable as error:
        if not entry.envelope_id:
            return []
        raise LogChanged(f"sequence {record.sequence}: {error}") from error
    processed = () if entry.repeated_envelope else rows
    if envelope_id != entry.envelope_id or len(processed) != len(entry.verdicts):
        raise LogChanged(f"sequence {record.sequence} holds another envelope than was processed")
    return [
        _deliverable(
            open_row(row_bytes), row_bytes, position_of(entry.generation, record.sequence, index)
        )
        for index, (row_bytes, verdict) in enumerate(zip(processed, entry.verdicts, strict=True))
        if verdict == Outcome.STORED
    ]


def _open(record: LogRecord) -> tuple[bytes, Sequence[bytes]]:
    """Raises Unreadable, too, where the rows are more than positions can tell apart."""
    envelope = open_envelope(record.payload)
    if len(envelope.rows) > MAX_EVENTS_PER_ENVELOPE:
        raise Unreadable(f"an envelope of {len(envelope.rows)} events")
    return envelope.id, envelope.rows


def _open_event(row_bytes: bytes) -> Row:
    row = open_row(row_bytes)
    if len(row.identity) != IDENTITY_BYTES or not row.member_id:
        raise Unreadable("a row without a member or an identity")
    return row


def _deliverable(row: Row, row_bytes: bytes, position: int) -> Deliverable:
    return Deliverable(
        member_key(row.tenant, row.member_id),
        row.tenant,
        row.member_id,
        position,
        row_bytes,
        row.store_only,
        row.traceparent,
    )
