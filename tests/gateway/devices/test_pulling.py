from gateway.devices.merging import Shown
from gateway.devices.pulling import LaneFind, compose
from reno.domain.priority import Priority
from tests.gateway.devices.rows import a_view

NOW_MS = 1000


def find(*expires_at_ms: int, scope: str = "") -> LaneFind:
    rows = [
        Shown(a_view(position, scope, expires_at_ms=at_ms))
        for position, at_ms in enumerate(expires_at_ms, 1)
    ]
    return LaneFind(0, len(rows), rows, more=False, is_ahead=False, acknowledges=0)


def test_what_expired_since_it_was_read_is_not_shown_and_the_cursor_passes_it() -> None:
    """Fresh: a page is composed when the slowest lane has answered."""
    lane = find(NOW_MS - 2, NOW_MS - 1, NOW_MS)
    assert lane.expire(NOW_MS) == 2
    assert [shown.row.position for shown in lane.shown] == [3]
    assert lane.expire(NOW_MS) == 0
    assert lane.expire(NOW_MS + 1) == 1
    page = compose({Priority.HIGH: lane}, 10, 1 << 20)
    assert page.rows == []
    assert page.positions == {Priority.HIGH: 3}
    assert not page.more


def test_a_row_does_not_stand_for_one_that_expired_before() -> None:
    lane = find(NOW_MS - 1, NOW_MS, NOW_MS, scope="s")
    lane.expire(NOW_MS)
    ((_, shown),) = compose({Priority.HIGH: lane}, 10, 1 << 20).rows
    assert (shown.row.position, shown.merged) == (3, 1)
