"""A stored row as a device receives it. What is the same for all devices is serialised once; what differs is appended, and protobuf lets the last one win."""

from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.message import Message

from reno.v1.envelope_pb2 import Row
from reno.v1.notification_pb2 import Notification, Via
from reno.wire.joining import repeated, varint

_ACTION = varint(Notification.ACTION_FIELD_NUMBER << 3 | 2)
_POSITION = varint(Notification.POSITION_FIELD_NUMBER << 3)
_VIA = varint(Notification.VIA_FIELD_NUMBER << 3)
_MERGED = varint(Notification.MERGED_FIELD_NUMBER << 3)

NOTIFICATIONS_FIELD_NUMBER = 1
CURSOR_FIELD_NUMBER = 2
"""Of SubscribeResponse and of PullResponse (a test holds them together)."""

REMEMBERED_ACTIONS = 4096
"""That are kept serialised: the catalogue gives few."""


def common_of(row: Row) -> bytes:
    """A serialised Notification without action, position, via and merged."""
    event = row.event
    common = Notification(
        event_id=event.id,
        type=event.type,
        payload=event.payload,
        content_type=event.content_type,
        priority=row.priority,
        source=row.source,
        merge_key=event.merge_key,
        traceparent=row.traceparent,
    )
    if event.HasField("occurred_at"):
        common.occurred_at.CopyFrom(event.occurred_at)
    else:
        common.occurred_at.FromMilliseconds(row.accepted_at_ms)
    return common.SerializeToString()


def render_notification(
    common: bytes, *, action: str, position: int, via: Via.ValueType, merged: int
) -> bytes:
    """A serialised Notification: see common_of."""
    told = common + _action(action) + varint(position) + _VIA + varint(via)
    return told + _MERGED + varint(merged) if merged else told


def render_answer(notifications: Iterable[bytes], cursor: str, rest: Message | None) -> bytes:
    """A serialised SubscribeResponse or PullResponse: `rest` is everything but notifications and cursor, None: nothing."""
    told = repeated(NOTIFICATIONS_FIELD_NUMBER, notifications)
    told += repeated(CURSOR_FIELD_NUMBER, [cursor.encode()])
    return told if rest is None else told + rest.SerializeToString()


@lru_cache(maxsize=REMEMBERED_ACTIONS)
def _action(action: str) -> bytes:
    """With what stands between it and the position."""
    text = action.encode()
    return _ACTION + varint(len(text)) + text + _POSITION
