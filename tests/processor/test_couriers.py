"""Promises: Isolated, and that every lost Deliver is made up for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from processor.couriers import (
    FORGET_AFTER,
    MAX_OWED_BYTES,
    MAX_OWED_ROWS,
    Couriers,
    Dispatch,
    requests_of,
)
from reno.ports import DeliveryRow, GatewayAddress

GATEWAYS = [GatewayAddress(name, 1, f"{name}:1") for name in ("g1", "g2", "g3")]
RETRY_S = 0.5


def row_at(position: int, size: int = 10) -> DeliveryRow:
    return DeliveryRow(position, None, bytes(size))


class Sessions:
    """Of one gateway and one member: what they do with a Deliver, see gateway/devices/lane.py."""

    def __init__(self) -> None:
        self.stored = 0
        self.queued = 0
        self.reads = 0

    def take(self, dispatch: Dispatch) -> None:
        if dispatch.resync:
            self._read()
        for row in dispatch.rows:
            if row.previous is not None and row.previous <= self.queued:
                self.queued = max(self.queued, row.position)
            elif row.position > self.queued:
                self._read()

    def _read(self) -> None:
        self.queued = self.stored
        self.reads += 1


class CouriersMachine(RuleBasedStateMachine):
    """Gateways that answer, or late, or not, or took it and could not say so."""

    def __init__(self) -> None:
        super().__init__()
        self.couriers = Couriers(RETRY_S)
        self.now_s = 0.0
        self.position = 0
        self.sessions = {each: Sessions() for each in GATEWAYS}
        self.may_miss = False
        self.in_flight: dict[GatewayAddress, Dispatch] = {}

    @initialize()
    def begin(self) -> None:
        self.hand_over(set(GATEWAYS))
        for gateway in GATEWAYS:
            self.end(gateway, took=True, answers=True, late=False)

    @rule(to=st.sets(st.sampled_from(GATEWAYS)))
    def hand_over(self, to: set[GatewayAddress]) -> None:
        self.position += 1
        rows = {}
        for gateway in to:
            sessions = self.sessions[gateway]
            rows[gateway] = [DeliveryRow(self.position, sessions.stored, b"")]
            sessions.stored = self.position
        for dispatch in self.couriers.plan(rows, self.now_s):
            gateway = dispatch.courier.gateway
            assert gateway not in self.in_flight, "one call in flight a gateway"
            positions = [row.position for row in dispatch.rows]
            assert positions == sorted(set(positions))
            self.in_flight[gateway] = dispatch

    @rule()
    def rows_are_left_out(self) -> None:
        """Nobody knew where they belong."""
        self.position += 1
        self.may_miss = True
        for sessions in self.sessions.values():
            sessions.stored = self.position
        self.couriers.missed()

    @precondition(lambda self: bool(self.in_flight))
    @rule(data=st.data(), took=st.booleans(), answers=st.booleans(), late=st.booleans())
    def ends(self, data: st.DataObject, took: bool, answers: bool, late: bool) -> None:
        in_flight = sorted(self.in_flight, key=lambda gateway: gateway.gateway_id)
        self.end(data.draw(st.sampled_from(in_flight)), took=took, answers=answers, late=late)

    def end(self, gateway: GatewayAddress, *, took: bool, answers: bool, late: bool) -> None:
        dispatch = self.in_flight.pop(gateway)
        if took or answers:
            self.sessions[gateway].take(dispatch)
        if answers:
            self.couriers.answered(dispatch, late=late)
        else:
            self.couriers.unanswered(dispatch, self.now_s)

    @rule()
    def time_passes(self) -> None:
        self.now_s += RETRY_S

    @invariant()
    def quiet_means_that_they_have_it_all(self) -> None:
        if not self.in_flight and not self.couriers.owing:
            for sessions in self.sessions.values():
                assert sessions.queued == sessions.stored

    @invariant()
    def a_late_or_lost_call_alone_makes_nobody_read(self) -> None:
        if not self.may_miss:
            assert all(sessions.reads <= 1 for sessions in self.sessions.values())

    def teardown(self) -> None:
        for _ in range(3):
            self.now_s += RETRY_S
            self.hand_over(set())
            for gateway in list(self.in_flight):
                self.end(gateway, took=True, answers=True, late=False)
        self.quiet_means_that_they_have_it_all()
        assert not self.couriers.owing


def test_what_did_not_reach_a_gateway_is_covered() -> None:
    run_state_machine_as_test(
        CouriersMachine, settings=settings(max_examples=60, stateful_step_count=30)
    )


def known(couriers: Couriers, gateway: GatewayAddress) -> None:
    (dispatch,) = couriers.plan({gateway: [row_at(1)]}, 0.0)
    assert dispatch.resync, "what was meant for it before is not known"
    couriers.answered(dispatch)


def test_a_gateway_that_did_not_answer_is_called_again_seldom() -> None:
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    (dispatch,) = couriers.plan({GATEWAYS[0]: [row_at(2)]}, 0.0)
    assert not dispatch.resync
    assert not dispatch.background
    couriers.unanswered(dispatch, 0.25)
    assert couriers.plan({GATEWAYS[0]: [row_at(3)]}, 0.5) == []
    (dispatch,) = couriers.plan({GATEWAYS[0]: [row_at(4)]}, 0.75)
    assert [row.position for row in dispatch.rows] == [2, 3, 4]
    assert dispatch.background


def test_a_late_gateway_is_waited_for_again_once_it_was_in_time() -> None:
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    (dispatch,) = couriers.plan({GATEWAYS[0]: [row_at(2)]}, 0.0)
    assert couriers.plan({GATEWAYS[0]: [row_at(3)]}, 0.1) == []
    couriers.answered(dispatch, late=True)
    # Row 3 came while the call was in flight.
    (dispatch,) = couriers.plan({}, 0.9)
    assert [row.position for row in dispatch.rows] == [3]
    assert not dispatch.resync
    assert dispatch.background
    couriers.answered(dispatch)
    (dispatch,) = couriers.plan({GATEWAYS[0]: [row_at(4)]}, 0.9)
    assert not dispatch.background


def test_what_is_handed_over_again_still_says_what_came_before_it() -> None:
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    (dispatch,) = couriers.plan({GATEWAYS[0]: [DeliveryRow(2, 1, b"")]}, 0.0)
    couriers.unanswered(dispatch, 0.25)
    (dispatch,) = couriers.plan({GATEWAYS[0]: [DeliveryRow(3, 2, b"")]}, 1.0)
    assert list(dispatch.rows) == [DeliveryRow(2, 1, b""), DeliveryRow(3, 2, b"")]
    assert not dispatch.resync


@pytest.mark.parametrize(("rows", "size"), [(MAX_OWED_ROWS + 1, 1), (2, MAX_OWED_BYTES // 2 + 1)])
def test_bounded_more_than_a_gateway_may_be_owed_is_a_resync(rows: int, size: int) -> None:
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    missed = [row_at(position, size) for position in range(2, 2 + rows)]
    (dispatch,) = couriers.plan({GATEWAYS[0]: missed}, 0.0)
    couriers.unanswered(dispatch, 0.25)
    (dispatch,) = couriers.plan({}, 1.0)
    assert dispatch.resync
    assert not dispatch.rows


def test_fenced_means_forgotten_and_an_older_epoch_is_not_called() -> None:
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    (dispatch,) = couriers.plan({GATEWAYS[0]: [row_at(2)]}, 0.0)
    couriers.fenced(dispatch)
    assert len(couriers) == 0
    newer = GatewayAddress("g1", 2, "g1:1")
    plan = couriers.plan({GATEWAYS[0]: [row_at(3)], newer: [row_at(3)]}, 0.0)
    assert [each.courier.gateway for each in plan] == [newer]


def test_bounded_gateways_that_never_answer_or_are_unused_are_forgotten() -> None:
    couriers = Couriers(RETRY_S, max_couriers=2)
    for gateway in GATEWAYS:
        known(couriers, gateway)
    assert len(couriers) == 2
    for attempt in range(FORGET_AFTER):
        for dispatch in couriers.plan({GATEWAYS[2]: [row_at(9)]}, float(attempt)):
            couriers.unanswered(dispatch, float(attempt))
    assert len(couriers) == 1


@given(st.lists(st.integers(0, 300), max_size=40))
def test_requests_stay_below_the_limit_and_in_order(sizes: list[int]) -> None:
    rows = [row_at(position, size) for position, size in enumerate(sizes)]
    parts = list(requests_of(rows, max_bytes=500))
    assert [row for part in parts for row in part] == rows
    assert parts
    for part in parts:
        assert len(part) <= 1 or sum(len(row.row) for row in part) < 500
