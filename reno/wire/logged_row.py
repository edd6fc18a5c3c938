"""A row on its way into the log: the Row that the inbox and Deliver carry, and what a processor must know of it without looking inside. Joined from bytes: nobody between the backend and the device's gateway makes a message of an event."""

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from struct import Struct
from typing import NamedTuple

from reno.v1.envelope_pb2 import Row
from reno.wire.joining import varint

AROUND_BYTES = 52
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


def log_rows(
    member_keys: Sequence[bytes],
    identities: Sequence[bytes],
    window_ms: int,
    push_until_ms: Sequence[int],
    expires_at_ms: Sequence[int],
    store_only: bool,
    traceparent: str,
    resolved: bytes,
    events: Sequence[bytes],
) -> list[LoggedRow]:
    """One for each event. `resolved` is a serialised Row with everything but deadlines and event, `events` are serialised."""
    pack, join = _TIMES.pack, b"".join
    rows = [
        join(
            (
                pack(_PUSH_UNTIL, until_ms, _EXPIRES_AT, at_ms),
                resolved,
                _EVENT,
                varint(len(event)),
                event,
            )
        )
        for until_ms, at_ms, event in zip(push_until_ms, expires_at_ms, events, strict=True)
    ]
    around_bytes = AROUND_BYTES + len(traceparent)
    sizes_bytes = [
        len(row) + len(key) + around_bytes for row, key in zip(rows, member_keys, strict=True)
    ]
    columns = (
        rows,
        member_keys,
        identities,
        repeat(window_ms),
        expires_at_ms,
        repeat(store_only),
        repeat(traceparent),
        sizes_bytes,
    )
    # A NamedTuple's own constructor costs as much as the row's bytes.
    return list(map(_logged, zip(*columns, strict=False)))


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
    """See log_rows."""
    return log_rows(
        [member_key],
        [identity],
        window_ms,
        [push_until_ms],
        [expires_at_ms],
        store_only,
        traceparent,
        resolved,
        [event],
    )[0]


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


_logged = partial(tuple.__new__, LoggedRow)
