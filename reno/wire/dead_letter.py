"""What could not be processed: opened as far as this version can, and made into envelopes again. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from reno.domain.member import shard_of
from reno.ports import Shard
from reno.v1.envelope_pb2 import Row
from reno.wire.envelope import (
    ENVELOPE_ID_BYTES,
    Unreadable,
    logged_rows,
    open_envelope,
    open_row,
    row_trouble,
    seal_envelope,
)
from reno.wire.logged_row import LoggedRow


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter stream: `number` is its own, `sequence` and `timestamp_ms` the message's in its lane's log. `rows`: the envelope's that it is about; none: all."""

    number: int
    shard: Shard
    sequence: int
    timestamp_ms: int
    why: str
    rows: Sequence[int]
    payload: bytes


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One row of a letter: what is known of it, and why it cannot be processed (empty: it can)."""

    index: int
    member_id: str
    event_id: str
    type: str
    source: str
    trouble: str


def dead_events(letter: DeadLetter) -> list[DeadEvent]:
    """Raises Unreadable where the envelope itself is."""
    rows = logged_rows(open_envelope(letter.payload))
    return [_dead_event(index, rows[index]) for index in _indexes(letter, len(rows))]


def envelopes_again(letter: DeadLetter, shards: int) -> Mapping[Shard, tuple[bytes, bytes]]:
    """(envelope id, payload) for each shard that now has some of the letter's rows. The rows keep their bytes, so that the duplicate gate knows their events; the ids
    follow from the letter, so that an envelope that was written twice counts once. Raises Unreadable where some of it still is."""
    rows = logged_rows(open_envelope(letter.payload))
    by_shard: dict[Shard, list[LoggedRow]] = {}
    for index in _indexes(letter, len(rows)):
        if why := row_trouble(rows[index].row, rows[index].member_key):
            raise Unreadable(f"event {index}: {why}")
        number = shard_of(rows[index].member_key, shards)
        by_shard.setdefault(Shard(letter.shard.priority, number, shards), []).append(rows[index])
    again = {}
    for shard, its_rows in by_shard.items():
        envelope_id = _id(letter, shard)
        again[shard] = envelope_id, seal_envelope(envelope_id, its_rows)
    return again


def _indexes(letter: DeadLetter, count: int) -> Sequence[int]:
    """Raises Unreadable."""
    if any(index >= count for index in letter.rows):
        raise Unreadable(f"an envelope of {count} events")
    return letter.rows or range(count)


def _id(letter: DeadLetter, shard: Shard) -> bytes:
    place = f"{letter.shard} {letter.sequence} {letter.timestamp_ms} {list(letter.rows)} {shard}\0"
    return blake2b(place.encode() + letter.payload, digest_size=ENVELOPE_ID_BYTES).digest()


def _dead_event(index: int, logged: LoggedRow) -> DeadEvent:
    trouble = row_trouble(logged.row, logged.member_key)
    # What has a trouble may still say whose it is.
    try:
        row = open_row(logged.row)
    except Unreadable:
        row = Row()
    event = row.event
    return DeadEvent(index, event.member_id, event.id, event.type, row.source, trouble)
