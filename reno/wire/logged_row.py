"""A row as the log carries it: what its processor must know of it, in a fixed layout, before the Row that the inbox and Deliver carry. Joined from bytes: nobody between the door and the device's gateway makes a message of it."""

from collections.abc import Sequence
from struct import Struct, error
from typing import NamedTuple

from google.protobuf.message import DecodeError

from reno.v1.envelope_pb2 import Row, RowBatch, UnparsedRowBatch
from reno.wire.envelope import Unreadable
from reno.wire.joining import varint

_HEAD = Struct(">12sQQ?HB")
"""Identity, window_ms, expires_at_ms, store_only, and the lengths of member key and traceparent, which follow."""

_TIMES = Struct("<BqBq")
_PUSH_UNTIL = Row.PUSH_UNTIL_MS_FIELD_NUMBER << 3 | 1
_EXPIRES_AT = Row.EXPIRES_AT_MS_FIELD_NUMBER << 3 | 1
_EVENT = varint(Row.EVENT_FIELD_NUMBER << 3 | 2)


class LoggedRow(NamedTuple):
    """A row in a processor's hands; `row` is a serialised Row, `traceparent` empty where it is not sampled."""

    identity: bytes
    window_ms: int
    expires_at_ms: int
    store_only: bool
    member_key: bytes
    traceparent: str
    row: bytes


def log_row(
    identity: bytes,
    member_key: bytes,
    window_ms: int,
    push_until_ms: int,
    expires_at_ms: int,
    store_only: bool,
    traceparent: bytes,
    resolved: bytes,
    event: bytes,
) -> bytes:
    """`resolved` is a serialised Row with everything but deadlines and event, `event` a serialised Event."""
    return b"".join(
        (
            _HEAD.pack(
                identity, window_ms, expires_at_ms, store_only, len(member_key), len(traceparent)
            ),
            member_key,
            traceparent,
            _TIMES.pack(_PUSH_UNTIL, push_until_ms, _EXPIRES_AT, expires_at_ms),
            resolved,
            _EVENT,
            varint(len(event)),
            event,
        )
    )


def open_logged(logged: bytes) -> LoggedRow:
    """Looks at no more than the head: see first_that_is_no_row. Raises Unreadable."""
    try:
        identity, window_ms, expires_at_ms, store_only, key_bytes, trace_bytes = _HEAD.unpack_from(
            logged
        )
    except error as short:
        raise Unreadable("a row without a head") from short
    key_end = _HEAD.size + key_bytes
    start = key_end + trace_bytes
    member_key = logged[_HEAD.size : key_end]
    if not key_bytes or start > len(logged) or member_key.find(b"\0") in {-1, key_bytes - 1}:
        raise Unreadable("a row without a member")
    try:
        traceparent = logged[key_end:start].decode("ascii") if trace_bytes else ""
    except UnicodeDecodeError as wrong:
        raise Unreadable("a row whose trace context is no text") from wrong
    return LoggedRow(
        identity, window_ms, expires_at_ms, store_only, member_key, traceparent, logged[start:]
    )


def are_rows(rows: Sequence[bytes]) -> bool:
    """Every one is a serialised Row. Parses all at once and makes no object a row."""
    try:
        RowBatch.FromString(UnparsedRowBatch(rows=rows).SerializeToString())
    except DecodeError:
        return False
    return True
