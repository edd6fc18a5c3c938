"""Gaps: what a device is told when something it counts on is gone. Pure."""

from collections.abc import Iterable

from gateway.devices.cursor import Cursor
from gateway.devices.starting import complete_since_ms
from reno.domain.priority import LANES, Priority
from reno.v1.event_pb2 import Priority as PriorityProto
from reno.v1.notification_pb2 import Gap
from reno.wire.clock import timestamp


def lane_names(lanes: Iterable[Priority]) -> list[PriorityProto.ValueType]:
    """As the contract writes them, high first."""
    return [PriorityProto.ValueType(lane) for lane in sorted(lanes)]


def expired_gap(cursor: Cursor | None, now_ms: int) -> Gap | None:
    """For a cursor that is older than the longest ttl."""
    since_ms = complete_since_ms(cursor, now_ms)
    if since_ms is None:
        return None
    return Gap(
        reason=Gap.REASON_EXPIRED,
        priorities=lane_names(LANES),
        complete_since=timestamp(since_ms),
    )


def future_gap(lanes: Iterable[Priority]) -> Gap:
    """For lanes whose cursor lies ahead of the log: all that is kept is sent again."""
    return Gap(reason=Gap.REASON_FUTURE, priorities=lane_names(lanes))
