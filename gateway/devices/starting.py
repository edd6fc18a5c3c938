"""Where a device begins in each lane, and whether something it counts on is gone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.devices.cursor import FROM_ACKNOWLEDGED, FROM_LATEST, Cursor
from reno.catalogue.entry import LONGEST_TTL_MS
from reno.domain.priority import LANES, Priority
from reno.v1.notification_service_pb2 import START_AT_LATEST, START_AT_START, StartAt


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a lane begins, now that its inbox has answered. `is_ahead`: what was wanted lies ahead of the log, and all that is kept is sent again."""

    position: int
    is_ahead: bool


def wanted_positions(cursor: Cursor | None, start_at: StartAt.ValueType) -> Mapping[Priority, int]:
    """For every lane a position, FROM_ACKNOWLEDGED or FROM_LATEST; a cursor outweighs start_at."""
    if cursor is not None:
        return cursor.positions
    if start_at == START_AT_START:
        return dict.fromkeys(LANES, 0)
    return dict.fromkeys(LANES, FROM_LATEST if start_at == START_AT_LATEST else FROM_ACKNOWLEDGED)


def complete_since_ms(cursor: Cursor | None, now_ms: int) -> int | None:
    """Not None: the cursor is older than the longest ttl, and only what is younger than this is surely kept (GAP EXPIRED)."""
    if cursor is None or now_ms - cursor.issued_at_ms <= LONGEST_TTL_MS:
        return None
    return now_ms - LONGEST_TTL_MS


def begin(wanted: int, *, mark: int, acknowledged: int) -> Beginning:
    """`mark`: every row of the lane's shard up to it can be read; `acknowledged`: what the device handled last, 0 for nothing."""
    if wanted == FROM_LATEST:
        return Beginning(mark, is_ahead=False)
    position = acknowledged if wanted == FROM_ACKNOWLEDGED else wanted
    return Beginning(0, is_ahead=True) if position > mark else Beginning(position, is_ahead=False)
