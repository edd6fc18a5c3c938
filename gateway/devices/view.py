"""A stored row, parsed once for all devices that it concerns, and what one of them may see of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.message import DecodeError

from reno.domain.identity import Device
from reno.gates import is_targeted
from reno.render import common_of
from reno.v1.envelope_pb2 import Actions, Row
from reno.v1.event_pb2 import Targets
from reno.wire.envelope import Unreadable, open_row

REMEMBERED_PARTS = 4096
"""Distinct targets and actions that are kept parsed: the catalogue gives few."""


@dataclass(slots=True, eq=False)
class RowView:
    """What a gateway needs of a row."""

    position: int
    member_id: str
    push_until_ms: int
    expires_at_ms: int
    store_only: bool
    merge_scope: str
    classes: frozenset[str]
    device_ids: frozenset[str]
    origin_device_id: str
    default_action: str
    actions: Mapping[str, str]
    traceparent: str
    notification: bytes
    """See common_of."""
    size_bytes: int
    """Of the stored row, as the inbox counts a page: what is asked for within an outbox's room fits it. About what it takes in a frame."""

    def action_for(self, device_class: str) -> str:
        """The class's own action, else the default one."""
        return self.actions.get(device_class, self.default_action)

    def is_for(self, device: Device) -> bool:
        """The target gate."""
        return is_targeted(
            device.device_id,
            device.device_class,
            classes=self.classes,
            device_ids=self.device_ids,
            origin_device_id=self.origin_device_id,
        )


def view_row(position: int, row: bytes) -> RowView:
    """`row` is a serialised Row. Raises Unreadable."""
    return view_parsed(position, open_row(row), len(row))


def view_parsed(position: int, row: Row, size_bytes: int) -> RowView:
    """`size_bytes`: see RowView. Raises Unreadable when the row's parts are broken."""
    event = row.event
    classes, device_ids = _targets(row.targets)
    default_action, actions = _actions(row.actions)
    return RowView(
        position,
        event.member_id,
        row.push_until_ms,
        row.expires_at_ms,
        row.store_only,
        f"{event.type} {event.merge_key}" if row.merges else "",
        classes,
        device_ids,
        row.origin_device_id,
        default_action,
        actions,
        row.traceparent,
        common_of(row),
        size_bytes,
    )


@lru_cache(maxsize=REMEMBERED_PARTS)
def _targets(serialised: bytes) -> tuple[frozenset[str], frozenset[str]]:
    try:
        targets = Targets.FromString(serialised)
    except DecodeError as error:
        raise Unreadable("a row whose targets are no Targets") from error
    return frozenset(targets.device_classes), frozenset(targets.device_ids)


@lru_cache(maxsize=REMEMBERED_PARTS)
def _actions(serialised: bytes) -> tuple[str, Mapping[str, str]]:
    try:
        actions = Actions.FromString(serialised)
    except DecodeError as error:
        raise Unreadable("a row whose actions are no Actions") from error
    return actions.default_action, dict(actions.by_class)
