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


class CouriersMachine(RuleBasedStateMachine):
    """Gateways that answer, or not, or took it and could not say so."""

    def __init__(self) -> None:
        super().__init__()
        self.couriers = Couriers(RETRY_S)
        self.now_s = 0.0
        self.position = 0
        self.uncovered: dict[GatewayAddress, set[int]] = {each: set() for each in GATEWAYS}
        self.taken: dict[GatewayAddress, list[int]] = {each: [] for each in GATEWAYS}
        self.in_flight: dict[GatewayAddress, tuple[Dispatch, set[int]]] = {}

    @initialize()
    def begin(self) -> None:
        self.hand_over({GATEWAYS[0]})

    @rule(to=st.sets(st.sampled_from(GATEWAYS)))
    def hand_over(self, to: set[GatewayAddress]) -> None:
        self.position += 1
        for gateway in to:
            self.uncovered[gateway].add(self.position)
        plan = self.couriers.plan({each: [row_at(self.position)] for each in to}, self.now_s)
        for dispatch in plan:
            gateway = dispatch.courier.gateway
            assert gateway not in self.in_flight, "one call in flight a gateway"
            positions = [row.position for row in dispatch.rows]
            assert positions == sorted(set(positions))
            covers = (
                set(self.uncovered[gateway])
                if dispatch.resync
                else {row.position for row in dispatch.rows}
            )
            self.in_flight[gateway] = (dispatch, covers)

    @rule()
    def look_up_fails(self) -> None:
        self.position += 1
        for gateway in GATEWAYS:
            self.uncovered[gateway].add(self.position)
        self.couriers.missed()

    @precondition(lambda self: bool(self.in_flight))
    @rule(data=st.data(), took=st.booleans(), answers=st.booleans())
    def ends(self, data: st.DataObject, took: bool, answers: bool) -> None:
        gateway = data.draw(st.sampled_from(sorted(self.in_flight, key=lambda g: g.gateway_id)))
        dispatch, covers = self.in_flight.pop(gateway)
        if took or answers:
            for row in dispatch.rows:
                # As a session does: what it has is there already, and what nobody links to it is read for.
                if row.position > max(self.taken[gateway], default=0):
                    self.taken[gateway].append(row.position)
        if answers:
            self.uncovered[gateway] -= covers
            self.couriers.answered(dispatch)
        else:
            self.couriers.unanswered(dispatch, self.now_s)

    @rule()
    def time_passes(self) -> None:
        self.now_s += RETRY_S

    @invariant()
    def quiet_means_covered(self) -> None:
        if not self.in_flight and not self.couriers.owing:
            known = {gateway for gateway in GATEWAYS if self.taken[gateway]}
            assert not any(self.uncovered[gateway] for gateway in known)

    def teardown(self) -> None:
        for _ in range(3):
            self.now_s += RETRY_S
            self.hand_over(set())
            for gateway in list(self.in_flight):
                dispatch, covers = self.in_flight.pop(gateway)
                self.uncovered[gateway] -= covers
                self.couriers.answered(dispatch)
        self.quiet_means_covered()
        assert not self.couriers.owing


def test_what_did_not_reach_a_gateway_is_covered() -> None:
    run_state_machine_as_test(
        CouriersMachine, settings=settings(max_examples=60, stateful_step_count=30)
    )


def known(couriers: Couriers, gateway: GatewayAddress) -> None:
    (dispatch,) = couriers.plan({gateway: [row_at(1)]}, 0.0)
    assert dispatch.resync, "what was meant for it before is not known"
    couriers.answered(dispatch)


def test_a_suspect_gateway_is_called_in_the_background_and_seldom() -> None:
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
    assert couriers.plan({GATEWAYS[0]: [row_at(5)]}, 0.8) == []
    couriers.answered(dispatch)
    # Row 5 came while the call was in flight.
    (dispatch,) = couriers.plan({}, 0.9)
    assert [row.position for row in dispatch.rows] == [5]
    assert not dispatch.resync
    assert not dispatch.background


def test_only_whom_missed_rows_concern_reads_again() -> None:
    """What is handed over again says that nobody knows what was before it."""
    couriers = Couriers(RETRY_S)
    known(couriers, GATEWAYS[0])
    (dispatch,) = couriers.plan({GATEWAYS[0]: [DeliveryRow(2, 1, b"")]}, 0.0)
    couriers.unanswered(dispatch, 0.25)
    (dispatch,) = couriers.plan({GATEWAYS[0]: [DeliveryRow(3, 2, b"")]}, 1.0)
    assert list(dispatch.rows) == [DeliveryRow(2, None, b""), DeliveryRow(3, 2, b"")]
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
