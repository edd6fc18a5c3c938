"""The fold over a shard's log: verdicts, rows and journal from the log alone. The same log gives the same writes, in any batching and after any restart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress

import numpy as np

from processor.duplicate_window import DuplicateWindow
from processor.recollection import Recollection
from reno.catalogue.entry import DEFAULT_WINDOW_MS, LONGEST_WINDOW_MS
from reno.domain.member import IDENTITY_BYTES
from reno.domain.outcome import Outcome
from reno.domain.position import position_of
from reno.gates import is_duplicate
from reno.ports import EnvelopeWrite, JournalEntry, LogRecord, RowWrite
from reno.v1.envelope_pb2 import Envelope
from reno.wire.envelope import Unreadable, identities_of, open_envelope, unreadable_rows

_NO_IDENTITY = bytes(IDENTITY_BYTES)
_STORED = int(Outcome.STORED)
_DUPLICATE = int(Outcome.DUPLICATE)
_DEAD = int(Outcome.DEAD)


@dataclass(slots=True)
class Deliverables:
    """Stored rows as delivery needs them, in log order; what few of them have stands beside them, by position."""

    rows: list[RowWrite] = field(default_factory=list)
    quiet: set[int] = field(default_factory=set)
    """Which wake nobody."""
    traceparents: dict[int, str] = field(default_factory=dict)
    """Of sampled events."""

    def extend(self, later: "Deliverables") -> None:
        """With those of a later message."""
        self.rows += later.rows
        self.quiet |= later.quiet
        self.traceparents |= later.traceparents


@dataclass(frozen=True, slots=True)
class Folded:
    """What one log message comes to. `unreadable`: why something of it could not be processed, so that it must be buried before the journal says so; else None."""

    write: EnvelopeWrite
    deliverables: Deliverables
    unreadable: str | None


class LogChanged(Exception):
    """The log holds something else at a sequence than what was journalled from there."""


@dataclass(slots=True)
class _Foreseen:
    """A log message, opened, with what the window knew of it before it was folded."""

    envelope: Envelope
    identities: Sequence[bytes] = ()
    unreadable_rows: Mapping[int, str] = field(default_factory=dict)
    """Why, by index."""
    unreadable: str = ""
    """Why the whole cannot be read; empty: it can."""
    window_ms: int = 0
    firsts_ms: Sequence[int] = ()
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
        ids = [_turned(each.envelope.id) for each in messages]
        for each, first_ms in zip(messages, self._envelope_ids.first_ms(ids, known), strict=True):
            each.envelope_first_ms = first_ms
        identities = [identity for each in messages for identity in each.identities]
        firsts_ms = self._identities.first_ms(identities, known)
        start = 0
        for each in messages:
            end = start + len(each.identities)
            each.firsts_ms = firsts_ms[start:end]
            start = end

    def fold(self, record: LogRecord) -> Folded:
        """Records in log order, each once."""
        if record.sequence not in self._foreseen:
            self.foresee([record])
        foreseen = self._foreseen.pop(record.sequence)
        envelope = foreseen.envelope
        now_ms = self._pass(record.timestamp_ms, foreseen.window_ms)
        if foreseen.unreadable:
            write = EnvelopeWrite(self._entry(record.sequence, b""), ())
            return Folded(write, Deliverables(), foreseen.unreadable)
        envelope_first_ms = self._fresh_envelopes.get(envelope.id, foreseen.envelope_first_ms)
        if envelope_first_ms > self._known_since_ms:
            entry = self._entry(record.sequence, envelope.id, repeated=True)
            return Folded(EnvelopeWrite(entry, ()), Deliverables(), None)
        self._fresh_envelopes[envelope.id] = now_ms

        verdicts = self._verdicts(foreseen, now_ms)
        first_position = position_of(self._generation, record.sequence, 0)
        deliverables = _stored(envelope, verdicts, first_position)
        identities = b"".join(foreseen.identities)
        entry = self._entry(record.sequence, envelope.id, verdicts, identities)
        unreadable = next(
            (f"event {n}: {why}" for n, why in foreseen.unreadable_rows.items()), None
        )
        return Folded(EnvelopeWrite(entry, deliverables.rows), deliverables, unreadable)

    def _verdicts(self, foreseen: _Foreseen, now_ms: int) -> bytes:
        """One a row; what is stored is known from now on."""
        verdicts = bytearray((_STORED,)) * len(foreseen.identities)
        for index in foreseen.unreadable_rows:
            verdicts[index] = _DEAD
        fresh, known_since_ms = self._fresh, self._known_since_ms
        for index, (identity, known_ms, window_ms) in enumerate(
            zip(foreseen.identities, foreseen.firsts_ms, foreseen.envelope.window_ms, strict=True)
        ):
            if verdicts[index] == _DEAD:
                continue
            first_ms = fresh.get(identity, known_ms)
            # A gate is a call, and most ids are new.
            if first_ms > known_since_ms and is_duplicate(first_ms, window_ms, now_ms):
                verdicts[index] = _DUPLICATE
            else:
                fresh[identity] = now_ms
        return bytes(verdicts)

    def _pass(self, log_time_ms: int, window_ms: int) -> int:
        """Log time now."""
        self._log_time_ms = max(self._log_time_ms, log_time_ms)
        self._window_ms = max(self._window_ms, window_ms)
        self._known_since_ms = max(self._known_since_ms, self._log_time_ms - self._window_ms)
        return self._log_time_ms

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
        return open_envelope(record.payload).id
    except Unreadable:
        return b""


def deliverables_again(record: LogRecord, entry: JournalEntry) -> Deliverables:
    """What the message came to when it was journalled: for one that was stored and perhaps not delivered. Raises LogChanged."""
    try:
        envelope = open_envelope(record.payload)
    except Unreadable as error:
        if not entry.envelope_id:
            return Deliverables()
        raise LogChanged(f"sequence {record.sequence}: {error}") from error
    processed = 0 if entry.repeated_envelope else len(envelope.rows)
    if envelope.id != entry.envelope_id or processed != len(entry.verdicts):
        raise LogChanged(f"sequence {record.sequence} holds another envelope than was processed")
    if not processed:
        return Deliverables()
    return _stored(envelope, entry.verdicts, position_of(entry.generation, record.sequence, 0))


def _stored(envelope: Envelope, verdicts: bytes, first_position: int) -> Deliverables:
    is_stored = [verdict == _STORED for verdict in verdicts]
    positions = range(first_position, first_position + len(verdicts))
    rows = zip(envelope.member_keys, positions, envelope.expires_at_ms, envelope.rows, strict=True)
    return Deliverables(
        # A NamedTuple's own constructor costs three times as much.
        list(map(partial(tuple.__new__, RowWrite), compress(rows, is_stored))),
        {positions[index] for index in envelope.quiet if is_stored[index]},
        {
            positions[index]: traceparent
            for index, traceparent in sorted(envelope.traceparents.items())
            if is_stored[index]
        },
    )


def _opened(record: LogRecord) -> _Foreseen:
    try:
        envelope = open_envelope(record.payload)
    except Unreadable as error:
        return _Foreseen(Envelope(), unreadable=str(error))
    troubles = unreadable_rows(record.payload, envelope)
    identities = identities_of(envelope)
    for index in troubles:
        identities[index] = _NO_IDENTITY
    window_ms = max(envelope.window_ms, default=0)
    return _Foreseen(envelope, identities, troubles, window_ms=min(window_ms, LONGEST_WINDOW_MS))


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
