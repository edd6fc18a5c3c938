"""What the embedded inbox writes: keys and values as bytes. A version byte stands before every value."""

from google.protobuf.message import DecodeError

from reno.catalogue.entry import LONGEST_TTL_MS
from reno.domain.priority import Priority
from reno.ports import JournalEntry
from reno.v1.journal_pb2 import JournalEntry as JournalEntryProto
from reno.wire.envelope import JOURNAL_VERSION, ROW_VERSION, Unreadable, open_journal_entry

KEEP_S = LONGEST_TTL_MS // 1000 + 86_400
"""The longest ttl and a day: by then no read shows a row any more."""

MARK_VERSION = b"\x01"
LAYOUT_VERSION = b"\x01"
LAYOUT_KEY = b"layout"

POSITION_BYTES = 8
_VALUE_HEAD = 1 + POSITION_BYTES
_SEQUENCE_BITS = 64

END = (1 << 8 + _SEQUENCE_BITS) - 1
"""The place behind every entry."""


def rows_prefix(member_key: bytes, priority: Priority) -> bytes:
    """What the keys of a member's rows of one lane begin with; the position follows."""
    return member_key + bytes((0, priority))


def position_after(prefix: bytes, key: bytes) -> int | None:
    """The position in a row's key; None where the key is not of this member and lane."""
    if len(key) != len(prefix) + POSITION_BYTES or not key.startswith(prefix):
        return None
    return int.from_bytes(key[-POSITION_BYTES:], "big")


def row_key_parts(key: bytes) -> tuple[bytes, int]:
    """(member_key, position)."""
    return key[: -POSITION_BYTES - 2], int.from_bytes(key[-POSITION_BYTES:], "big")


def row_value(expires_at_ms: int, row: bytes) -> bytes:
    """The time stands before the row, so that a read skips what is expired without parsing it."""
    return b"%b%b%b" % (ROW_VERSION, expires_at_ms.to_bytes(8, "big"), row)


def row_of(value: bytes) -> tuple[int, bytes]:
    """(expires_at_ms, row). Raises Unreadable."""
    if value[:1] != ROW_VERSION or len(value) < _VALUE_HEAD:
        raise Unreadable(f"stored row of version {value[:1].hex() or 'none'}")
    return int.from_bytes(value[1:_VALUE_HEAD], "big"), value[_VALUE_HEAD:]


def acknowledged_key(member_key: bytes, device_id: str, priority: Priority) -> bytes:
    """Of one device's mark in one lane."""
    return b"%b\0%b\0%c" % (member_key, device_id.encode(), int(priority))


def acknowledged_key_parts(key: bytes) -> tuple[bytes, str]:
    """(member_key, device_id)."""
    owner, _, device = key[:-2].rpartition(b"\0")
    return owner, device.decode()


def acknowledged_value(position: int) -> bytes:
    """A device's mark."""
    return MARK_VERSION + position.to_bytes(POSITION_BYTES, "big")


def acknowledged_of(value: bytes | None) -> int:
    """0 where nothing is kept. Raises Unreadable."""
    if value is None:
        return 0
    if value[:1] != MARK_VERSION or len(value) != _VALUE_HEAD:
        raise Unreadable(f"acknowledged mark of version {value[:1].hex() or 'none'}")
    return int.from_bytes(value[1:], "big")


def journal_prefix(priority: Priority, shard: int) -> bytes:
    """What the keys of a shard's journal begin with; the place follows."""
    return bytes((priority,)) + shard.to_bytes(2, "big")


def journal_key(prefix: bytes, place: int) -> bytes:
    """Of the entry at the place; see place_of."""
    return prefix + place.to_bytes(9, "big")


def journal_key_parts(key: bytes) -> tuple[int, int]:
    """(shard, place)."""
    return int.from_bytes(key[1:3], "big"), int.from_bytes(key[3:], "big")


def place_of(generation: int, sequence: int) -> int:
    """Generation and sequence as one number that orders the entries of a shard."""
    return generation << _SEQUENCE_BITS | sequence


def parts_of_place(place: int) -> tuple[int, int]:
    """(generation, sequence)."""
    return place >> _SEQUENCE_BITS, place & (1 << _SEQUENCE_BITS) - 1


def place_after(prefix: bytes, key: bytes) -> int | None:
    """The place in a journal key; None where the key is not of this shard."""
    if len(key) != len(prefix) + 9 or not key.startswith(prefix):
        return None
    return int.from_bytes(key[-9:], "big")


def entry_value(entry: JournalEntry) -> bytes:
    """A serialised reno.v1.JournalEntry behind its version byte."""
    proto = JournalEntryProto(
        envelope_id=entry.envelope_id,
        log_time_ms=entry.log_time_ms,
        verdicts=entry.verdicts,
        identities=entry.identities,
        repeated_envelope=entry.repeated_envelope,
        window_ms=entry.window_ms,
    )
    return JOURNAL_VERSION + proto.SerializeToString()


def entry_of(place: int, value: bytes) -> JournalEntry:
    """Raises Unreadable."""
    try:
        proto = open_journal_entry(value)
    except DecodeError as error:
        raise Unreadable("not a journal entry") from error
    generation, sequence = parts_of_place(place)
    return JournalEntry(
        generation=generation,
        sequence=sequence,
        log_time_ms=proto.log_time_ms,
        envelope_id=proto.envelope_id,
        verdicts=proto.verdicts,
        identities=proto.identities,
        repeated_envelope=proto.repeated_envelope,
        window_ms=proto.window_ms,
    )


def layout_value(priority: Priority, shards: int, owned: str = "") -> bytes:
    """Whose directory it is: with another shard count a member's mark would be another shard's. `owned`: the shards that are kept here, empty for all."""
    return LAYOUT_VERSION + bytes((priority,)) + shards.to_bytes(2, "big") + owned.encode()


def layout_parts(value: bytes) -> tuple[int, int, str]:
    """(lane, shards, owned). Raises Unreadable."""
    if value[:1] != LAYOUT_VERSION:
        raise Unreadable(f"inbox directory of version {value[:1].hex() or 'none'}")
    return value[1], int.from_bytes(value[2:4], "big"), value[4:].decode()
