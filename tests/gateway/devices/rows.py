"""Rows as a door would have written them."""

from collections.abc import Collection
from itertools import count

from gateway.devices.view import RowView, view_row
from reno.domain.identity import Device
from reno.v1.envelope_pb2 import Actions, Row
from reno.v1.event_pb2 import Event, Targets

FAR_MS = 1 << 45
TV = Device("", "anna", "tv-1", "tv")
PHONE = Device("", "anna", "phone-1", "phone")

_ids = count(1)


def a_row(
    event_id: str = "",
    *,
    member_id: str = "anna",
    scope: str = "",
    classes: Collection[str] = (),
    device_ids: Collection[str] = (),
    origin: str = "",
    push_until_ms: int = FAR_MS,
    expires_at_ms: int = FAR_MS,
    store_only: bool = False,
    payload: bytes = b"{}",
) -> bytes:
    """A serialised Row."""
    event = Event(
        id=event_id or f"e-{next(_ids)}",
        type="list.changed",
        member_id=member_id,
        payload=payload,
        merge_key=scope,
    )
    return Row(
        event=event,
        push_until_ms=push_until_ms,
        expires_at_ms=expires_at_ms,
        store_only=store_only,
        merges=bool(scope),
        targets=Targets(device_classes=classes, device_ids=device_ids).SerializeToString(),
        actions=Actions(
            default_action="refresh_row", by_class={"phone": "sync_list"}
        ).SerializeToString(),
        origin_device_id=origin,
    ).SerializeToString()


def a_view(
    position: int,
    scope: str = "",
    *,
    expires_at_ms: int = FAR_MS,
    payload: bytes = b"",
    classes: Collection[str] = (),
) -> RowView:
    """The same, parsed."""
    row = a_row(scope=scope, expires_at_ms=expires_at_ms, payload=payload, classes=classes)
    return view_row(position, row)
