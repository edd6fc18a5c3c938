"""A stored row as a device receives it. The common part is never parsed: what differs by device is appended, and protobuf lets the last one win."""

from collections.abc import Iterable

from google.protobuf.message import Message

from reno.v1.notification_pb2 import Notification, Via
from reno.wire.joining import repeated, varint

_ACTION = varint(Notification.ACTION_FIELD_NUMBER << 3 | 2)
_POSITION = varint(Notification.POSITION_FIELD_NUMBER << 3)
_VIA = varint(Notification.VIA_FIELD_NUMBER << 3)
_MERGED = varint(Notification.MERGED_FIELD_NUMBER << 3)

NOTIFICATIONS_FIELD_NUMBER = 1
"""Of SubscribeResponse and of PullResponse (a test holds them together)."""

TAIL_BYTES = 64
"""What the appended part adds to a row besides its action, at most."""


def render_notification(
    common: bytes, *, action: str, position: int, via: Via.ValueType, merged: int
) -> bytes:
    """A serialised Notification: `common` is Row.notification."""
    text = action.encode()
    tail = _ACTION + varint(len(text)) + text + _POSITION + varint(position) + _VIA + varint(via)
    return common + tail + (_MERGED + varint(merged) if merged else b"")


def render_answer(notifications: Iterable[bytes], rest: Message) -> bytes:
    """A serialised SubscribeResponse or PullResponse: `rest` is everything but the notifications."""
    return repeated(NOTIFICATIONS_FIELD_NUMBER, notifications) + rest.SerializeToString()
