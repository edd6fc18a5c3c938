"""The gaps that a session's frames have not said yet. Pure."""

from collections.abc import Collection

from gateway.devices.gaps import lane_gap
from reno.domain.priority import Priority
from reno.v1.notification_pb2 import Gap

SAID_FIRST = (Gap.REASON_FUTURE, Gap.REASON_LOG_LOST, Gap.REASON_OVERFLOW)


class UntoldGaps:
    """One a frame. Until a lane's gap is said the cursor stays before it, so that a device that is cut off hears of it again."""

    def __init__(self, gaps: Collection[Gap]) -> None:
        """`gaps` are said first."""
        self._gaps = list(gaps)
        self._by_reason: dict[Gap.Reason.ValueType, dict[Priority, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._gaps or self._by_reason)

    def owe(self, reason: Gap.Reason.ValueType, lane: Priority, position: int) -> None:
        """`position`: where the lane's cursor stays; the first one stands."""
        self._by_reason.setdefault(reason, {}).setdefault(lane, position)

    def next(self) -> Gap | None:
        """To be said now: all lanes of a reason are one gap."""
        if self._gaps:
            return self._gaps.pop(0)
        for reason in SAID_FIRST:
            if lanes := self._by_reason.pop(reason, None):
                return lane_gap(reason, lanes)
        return None

    def hold(self, lane: Priority, position: int) -> int:
        """What the cursor says of a lane that is at the position."""
        return min([position, *(held.get(lane, position) for held in self._by_reason.values())])
