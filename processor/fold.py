"""The fold over a shard's log: verdicts, rows and journal from the log alone. The same log gives the same writes, in any batching and after any restart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from processor.duplicate_window import DuplicateWindow
from processor.recollection import Recollection
from reno.catalogue.entry import DEFAULT_WINDOW_MS, LONGEST_WINDOW_MS
from reno.domain.member import IDENTITY_BYTES, member_key
from reno.domain.outcome import Outcome
from reno.domain.position import MAX_EVENTS_PER_ENVELOPE, position_of
from reno.gates import is_duplicate
from reno.ports import EnvelopeWrite, JournalEntry, LogRecord, RowWrite
from reno.v1.envelope_pb2 import Row
from reno.wire.envelope import Unreadable, open_envelope, open_event, open_row

_NO_IDENTITY = bytes(IDENTITY_BYTES)
_STORED = int(Outcome.STORED)
_DUPLICATE = int(Outcome.DUPLICATE)


class Deliverable(NamedTuple):
    """A stored row as delivery needs it; `row` is the log's bytes."""

    member_key: bytes
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


@dataclass(slots=True)
class _Foreseen:
    """A log message, opened, with what the window knew of it before it was folded. Where a row cannot be read stands why; `unreadable`: why the whole cannot."""

    envelope_id: bytes = b""
    unreadable: str = ""
    rows: Sequence[bytes] = ()
    opened: list[Row | str] = field(default_factory=list)
    window_ms: int = 0
    firsts_ms: list[int] = field(default_factory=list)
    envelope_first_ms: int = 0


class Fold:
    """One shard's state: log time, and what was seen inside the longest window that any of its events had.

    An id is known while its first is after `known_since`, which only rises: verdicts depend on the log alone, not on when memory was given back.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._log_time_ms = 0
        self._window_ms = DEFAULT_WINDOW_MS
        self._known_since_ms = 0
        self._identities = DuplicateWindow()
        self._envelope_ids = DuplicateWindow()
        self._fresh: dict[bytes, int] = {}
        self._fresh_envelopes: dict[bytes, int] = {}
        self._foreseen: dict[int, _Foreseen] = {}
        self._recalled = Recollection()
        self._recalled_envelopes = Recollection()

    @property
    def log_time_ms(self) -> int:
        """The largest timestamp of the log so far."""
        return self._log_time_ms

    def restore(self, entry: JournalEntry) -> None:
        """Takes the journal's entries in order, those with log time >= remembered_since_ms(the newest), before anything is folded; `take_up` must follow."""
        now_ms = self._pass(entry.log_time_ms, entry.window_ms)
        if entry.repeated_envelope or not entry.envelope_id:
            return
        self._recalled_envelopes.add(_turned(entry.envelope_id), 1, now_ms)
        self._recalled.add(_stored_identities(entry), entry.verdicts.count(_STORED), now_ms)

    def take_up(self) -> Iterator[None]:
        """Ends the restoring, in steps: other work of the process may have its turn between them."""
        recalled, envelopes = self._recalled, self._recalled_envelopes
        self._recalled, self._recalled_envelopes = Recollection(), Recollection()
        yield from self._envelope_ids.take_up(envelopes, self._known_since_ms)
        yield from self._identities.take_up(recalled, self._known_since_ms)

    def foresee(self, records: Sequence[LogRecord]) -> None:
        """Opens what will be folded next and asks the window for all of it at once. What is not foreseen costs more and comes to the same."""
        self._settle()
        self._foreseen = {record.sequence: _opened(record) for record in records}
        messages = [each for each in self._foreseen.values() if not each.unreadable]
        known = self._known_since_ms
        ids = [_turned(each.envelope_id) for each in messages]
        for each, first_ms in zip(messages, self._envelope_ids.first_ms(ids, known), strict=True):
            each.envelope_first_ms = first_ms
        identities = [
            row.identity for each in messages for row in each.opened if isinstance(row, Row)
        ]
        firsts_ms = iter(self._identities.first_ms(identities, known))
        for each in messages:
            each.firsts_ms = [next(firsts_ms) if isinstance(row, Row) else 0 for row in each.opened]

    def fold(self, record: LogRecord) -> Folded:
        """Records in log order, each once."""
        if record.sequence not in self._foreseen:
            self.foresee([record])
        foreseen = self._foreseen.pop(record.sequence)
        envelope_id = foreseen.envelope_id
        now_ms = self._pass(record.timestamp_ms, foreseen.window_ms)
        if foreseen.unreadable:
            write = EnvelopeWrite(self._entry(record.sequence, b""), ())
            return Folded(write, (), foreseen.unreadable)
        if self._known(self._fresh_envelopes.get(envelope_id, foreseen.envelope_first_ms)):
            entry = self._entry(record.sequence, envelope_id, repeated=True)
            return Folded(EnvelopeWrite(entry, ()), (), None)
        self._fresh_envelopes[envelope_id] = now_ms

        verdicts = bytearray()
        identities: list[bytes] = []
        writes: list[RowWrite] = []
        deliverables: list[Deliverable] = []
        unreadable: str | None = None
        first_position = position_of(self._generation, record.sequence, 0)
        for index, row in enumerate(foreseen.opened):
            if isinstance(row, str):
                verdicts.append(Outcome.DEAD)
                identities.append(_NO_IDENTITY)
                unreadable = unreadable or f"event {index}: {row}"
                continue
            identity = row.identity
            identities.append(identity)
            first_ms = self._known(self._fresh.get(identity, foreseen.firsts_ms[index]))
            if is_duplicate(first_ms, row.window_ms, now_ms):
                verdicts.append(_DUPLICATE)
                continue
            verdicts.append(_STORED)
            self._fresh[identity] = now_ms
            row_bytes = foreseen.rows[index]
            deliverable = _deliverable(row, row_bytes, first_position + index)
            writes.append(RowWrite(deliverable[0], deliverable[1], row.expires_at_ms, row_bytes))
            deliverables.append(deliverable)
        entry = self._entry(record.sequence, envelope_id, bytes(verdicts), b"".join(identities))
        return Folded(EnvelopeWrite(entry, writes), deliverables, unreadable)

    def _pass(self, log_time_ms: int, window_ms: int) -> int:
        """Log time now."""
        self._log_time_ms = max(self._log_time_ms, log_time_ms)
        self._window_ms = max(self._window_ms, window_ms)
        self._known_since_ms = max(self._known_since_ms, self._log_time_ms - self._window_ms)
        return self._log_time_ms

    def _known(self, first_ms: int) -> int | None:
        return first_ms if first_ms > self._known_since_ms else None

    def _settle(self) -> None:
        """What is fresh goes to the windows, many at once."""
        known = self._known_since_ms
        self._identities.remember(list(self._fresh), list(self._fresh.values()), known)
        ids = [_turned(an_id) for an_id in self._fresh_envelopes]
        self._envelope_ids.remember(ids, list(self._fresh_envelopes.values()), known)
        self._fresh, self._fresh_envelopes = {}, {}

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
            self._window_ms,
        )


def remembered_since_ms(newest: JournalEntry) -> int:
    """Log time from which on the journal must be read to go on after its newest entry."""
    return newest.log_time_ms - max(newest.window_ms, DEFAULT_WINDOW_MS)


def envelope_id_of(record: LogRecord) -> bytes:
    """As the journal has it: empty where the bytes are no envelope."""
    try:
        return _open(record)[0]
    except Unreadable:
        return b""


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


def _opened(record: LogRecord) -> _Foreseen:
    try:
        envelope_id, rows = _open(record)
    except Unreadable as error:
        return _Foreseen(unreadable=str(error))
    foreseen = _Foreseen(envelope_id, rows=rows)
    for row_bytes in rows:
        try:
            row = open_event(row_bytes)
        except Unreadable as error:
            foreseen.opened.append(str(error))
        else:
            foreseen.opened.append(row)
            foreseen.window_ms = max(foreseen.window_ms, row.window_ms)
    foreseen.window_ms = min(foreseen.window_ms, LONGEST_WINDOW_MS)
    return foreseen


def _stored_identities(entry: JournalEntry) -> bytes:
    if entry.verdicts.count(_STORED) == len(entry.verdicts):
        return entry.identities
    is_stored = np.frombuffer(entry.verdicts, np.uint8) == _STORED
    identities = np.frombuffer(entry.identities, np.uint8).reshape(-1, IDENTITY_BYTES)
    stored: bytes = identities[is_stored].tobytes()
    return stored


def _turned(envelope_id: bytes) -> bytes:
    """Its random bytes first: the others are a time."""
    return envelope_id[::-1]


def _deliverable(row: Row, row_bytes: bytes, position: int) -> Deliverable:
    return Deliverable(
        member_key(row.tenant, row.member_id),
        position,
        row_bytes,
        row.store_only,
        row.traceparent,
    )
