"""A stored row as a device receives it. What is the same for all devices is serialised once; what differs is appended, and protobuf lets the last one win."""

from collections.abc import Iterable

from google.protobuf.message import Message

from reno.v1.envelope_pb2 import Row
from reno.v1.notification_pb2 import Notification, Via
from reno.wire.joining import repeated, varint

_ACTION = varint(Notification.ACTION_FIELD_NUMBER << 3 | 2)
_POSITION = varint(Notification.POSITION_FIELD_NUMBER << 3)
_VIA = varint(Notification.VIA_FIELD_NUMBER << 3)
_MERGED = varint(Notification.MERGED_FIELD_NUMBER << 3)

NOTIFICATIONS_FIELD_NUMBER = 1
"""Of SubscribeResponse and of PullResponse (a test holds them together)."""


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
    text = action.encode()
    tail = _ACTION + varint(len(text)) + text + _POSITION + varint(position) + _VIA + varint(via)
    return common + tail + (_MERGED + varint(merged) if merged else b"")


def render_answer(notifications: Iterable[bytes], rest: Message) -> bytes:
    """A serialised SubscribeResponse or PullResponse: `rest` is everything but the notifications."""
    return repeated(NOTIFICATIONS_FIELD_NUMBER, notifications) + rest.SerializeToString()
