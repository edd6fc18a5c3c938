from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.devices.merging import Shown
from gateway.devices.outbox import LOWER_SHARE, Budget, Outbox
from reno.domain.priority import LANES, Priority
from tests.gateway.devices.rows import a_view

NOW = 1_000
lanes = st.sampled_from(LANES)


def an_outbox(rows: int = 300, size: int = 1 << 20, budget: int = 1 << 30) -> Outbox:
    return Outbox(rows, size, Budget(budget))


@settings(max_examples=50, deadline=None)
@given(st.lists(lanes, max_size=60), st.integers(1, 9))
def test_everything_comes_out_once_and_each_lane_in_order(
    offered: list[Priority], places: int
) -> None:
    """Ordered."""
    outbox = an_outbox()
    for position, lane in enumerate(offered, 1):
        assert outbox.push(lane, Shown(a_view(position)))
    seen: list[tuple[Priority, int]] = []
    while outbox.bytes_waiting:
        rows = outbox.take(places, 1 << 20, NOW).rows
        assert 0 < len(rows) <= places
        assert [lane for lane, _ in rows] == sorted(lane for lane, _ in rows)
        seen += [(lane, shown.row.position) for lane, shown in rows]
    for lane in LANES:
        assert [at for one, at in seen if one is lane] == [
            at for at, one in enumerate(offered, 1) if one is lane
        ]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40))
def test_a_flood_above_starves_no_lane_below(places: int) -> None:
    """Isolated."""
    outbox = an_outbox(rows=3000)
    at = 0
    low = 0
    for _ in range(LOWER_SHARE * 2):
        for lane in LANES:
            while outbox.room(lane)[0]:
                at += 1
                outbox.add(lane, Shown(a_view(at)))
        rows = outbox.take(places, 1 << 20, NOW).rows
        assert len(rows) == places
        low += sum(lane is not Priority.HIGH for lane, _ in rows)
    assert low >= 2 * places


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(lanes, st.integers(0, 300)), max_size=80))
def test_it_never_holds_more_than_its_limits(offered: list[tuple[Priority, int]]) -> None:
    """Bounded."""
    budget = Budget(3_000)
    outbox = Outbox(30, 2_400, budget)
    for position, (lane, size) in enumerate(offered, 1):
        row = a_view(position, payload=b"x" * size)
        was_empty = outbox.has_none(lane)
        if not outbox.push(lane, Shown(row)) and was_empty:
            assert row.size_bytes > budget.free_bytes
        assert budget.used_bytes == outbox.bytes_waiting <= 3_000
    outbox.drop_all()
    assert budget.used_bytes == 0


def test_a_full_lane_merges_before_it_refuses() -> None:
    outbox = an_outbox(rows=9)
    for position in range(1, 30):
        assert outbox.push(Priority.LOW, Shown(a_view(position, "scope")))
    ((lane, shown),) = outbox.take(10, 1 << 20, NOW).rows
    assert (lane, shown.row.position, shown.merged) == (Priority.LOW, 29, 28)
    for position in range(30, 33):
        assert outbox.push(Priority.LOW, Shown(a_view(position)))
    assert not outbox.push(Priority.LOW, Shown(a_view(33)))
    assert outbox.push(Priority.HIGH, Shown(a_view(1)))


def test_expired_rows_are_left_out_and_counted() -> None:
    outbox = an_outbox()
    outbox.push(Priority.HIGH, Shown(a_view(1, expires_at_ms=NOW - 1)))
    outbox.push(Priority.HIGH, Shown(a_view(2, expires_at_ms=NOW)))
    taken = outbox.take(10, 1 << 20, NOW)
    assert [shown.row.position for _, shown in taken.rows] == [2]
    assert taken.expired == {Priority.HIGH: 1}


def test_a_frame_keeps_to_its_bytes_but_one_row_always_goes() -> None:
    outbox = an_outbox()
    for position in range(1, 5):
        outbox.push(Priority.HIGH, Shown(a_view(position, payload=b"x" * 1000)))
    assert len(outbox.take(10, 2_500, NOW).rows) == 2
    assert len(outbox.take(10, 1, NOW).rows) == 1
