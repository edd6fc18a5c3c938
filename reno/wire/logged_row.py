"""A row on its way into the log: the Row that the inbox and Deliver carry, and what a processor must know of it without looking inside. Joined from bytes: nobody between the backend and the device's gateway makes a message of an event."""

from struct import Struct
from typing import NamedTuple

from reno.v1.envelope_pb2 import Row
from reno.wire.joining import varint

AROUND_BYTES = 48
"""What a row takes in an envelope besides itself, member key and trace context, at most."""

_TIMES = Struct("<BqBq")
_PUSH_UNTIL = Row.PUSH_UNTIL_MS_FIELD_NUMBER << 3 | 1
_EXPIRES_AT = Row.EXPIRES_AT_MS_FIELD_NUMBER << 3 | 1
_EVENT = varint(Row.EVENT_FIELD_NUMBER << 3 | 2)


class LoggedRow(NamedTuple):
    """`row` is a serialised Row; `traceparent` is empty where it is not sampled; see Envelope for the others."""

    row: bytes
    member_key: bytes
    identity: bytes
    window_ms: int
    expires_at_ms: int
    store_only: bool
    traceparent: str
    size_bytes: int
    """Of its part of an envelope, at most."""


def log_row(
    member_key: bytes,
    identity: bytes,
    window_ms: int,
    push_until_ms: int,
    expires_at_ms: int,
    store_only: bool,
    traceparent: str,
    resolved: bytes,
    event: bytes,
) -> LoggedRow:
    """`resolved` is a serialised Row with everything but deadlines and event, `event` a serialised Event."""
    times = _TIMES.pack(_PUSH_UNTIL, push_until_ms, _EXPIRES_AT, expires_at_ms)
    row = b"".join((times, resolved, _EVENT, varint(len(event)), event))
    return logged_row(row, member_key, identity, window_ms, expires_at_ms, store_only, traceparent)


def logged_row(
    row: bytes,
    member_key: bytes,
    identity: bytes,
    window_ms: int,
    expires_at_ms: int,
    store_only: bool,
    traceparent: str,
) -> LoggedRow:
    """With its size."""
    size_bytes = len(row) + len(member_key) + len(traceparent) + AROUND_BYTES
    return LoggedRow(
        row, member_key, identity, window_ms, expires_at_ms, store_only, traceparent, size_bytes
    )
