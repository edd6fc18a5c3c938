"""Gaps: what a device is told when something it counts on is gone. Pure."""

from collections.abc import Iterable

from gateway.devices.cursor import Cursor
from gateway.devices.starting import complete_since_ms
from reno.domain.position import generation_of
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


def lane_gap(reason: Gap.Reason.ValueType, lanes: Iterable[Priority]) -> Gap:
    """For some lanes; since when nothing is missing is not known."""
    return Gap(reason=reason, priorities=lane_names(lanes))


def crosses_loss(before: int, after: int) -> bool:
    """Between the two positions of a lane its log was lost: whoever counted on the earlier one may miss what was acknowledged and never processed. 0: nothing was counted on."""
    return before > 0 and generation_of(before) < generation_of(after)
