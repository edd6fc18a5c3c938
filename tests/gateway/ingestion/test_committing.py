from collections.abc import Iterator
from itertools import count as counting

from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.committing import (
    LARGE_ENVELOPE_BYTES,
    LONGEST_REST_S,
    REST_RATIO,
    GroupCommit,
    Load,
    longest_row_bytes,
)
from gateway.ingestion.refusal import Refusal
from reno.domain.reason import Reason
from reno.wire.envelope import logged_rows, open_envelope, seal_bundles
from reno.wire.logged_row import LoggedRow, logged_row

MAX_EVENTS, MAX_BYTES, MAX_WAITING = 5, 500, 1_200
FULL = Refusal(Reason.FULL, "")


def of(content: bytes) -> LoggedRow:
    return logged_row(content, b"\0m", bytes(12), 1 << 63, 1 << 50, True, "")


def sized(size_bytes: int) -> LoggedRow:
    return of(b"")._replace(size_bytes=size_bytes)


def rows_of(load: Load) -> list[LoggedRow]:
    """As a processor reads them."""
    return logged_rows(open_envelope(seal_bundles(bytes(16), load.bundles)))


LONGEST_CONTENT = longest_row_bytes(MAX_BYTES) - of(b"").size_bytes


class Backend:
    """Keeps what it is told of its rows."""

    def __init__(self, rows: list[LoggedRow]) -> None:
        self.rows = rows
        self.told: list[tuple[LoggedRow, int | Refusal]] = []

    def answer(self, count: int, places: Iterator[int], refusal: Refusal | None) -> None:
        for _ in range(count):
            row = self.rows[len(self.told)]
            self.told.append((row, next(places) if refusal is None else refusal))


_rows = st.lists(st.integers(0, LONGEST_CONTENT), min_size=1, max_size=12)
_steps = st.lists(
    st.one_of(
        _rows.map(lambda sizes: ("offer", sizes)),
        st.sampled_from([("take", []), ("refuse", []), ("give up", [])]),
    ),
    max_size=30,
)


@given(_steps)
def test_bounded_every_row_is_answered_once_in_order_and_no_limit_is_passed(
    steps: list[tuple[str, list[int]]],
) -> None:
    group = GroupCommit(
        max_envelope_events=MAX_EVENTS, max_envelope_bytes=MAX_BYTES, max_waiting_bytes=MAX_WAITING
    )
    backends: list[Backend] = []
    logged: list[LoggedRow] = []
    serial = 0

    def settle(load: Load | None, refusal: Refusal | None) -> None:
        if load is None:
            return
        rows = rows_of(load)
        assert sum(count for _, count in load.shares) == load.events == len(rows)
        if refusal is not None:
            load.refuse(refusal)
            return
        assert 0 < load.events <= MAX_EVENTS
        assert len(seal_bundles(b"i" * 16, load.bundles)) <= MAX_BYTES
        load.accept(counting(len(logged)))
        logged.extend(rows)

    for now_s, (step, sizes) in enumerate(steps):
        if step == "offer":
            rows = []
            for size in sizes:
                serial += 1
                content = serial.to_bytes(3, "big")[-size:] + b"." * (size - 3) if size else b""
                rows.append(of(content))
            backend = Backend(rows)
            backends.append(backend)
            taken = group.offer(rows, now_s, backend.answer)
            backend.rows = rows[:taken]
            assert group.waiting_bytes <= MAX_WAITING
        elif step == "take":
            settle(group.take(), None)
        elif step == "refuse":
            refused = group.take()
            settle(refused, FULL)
            if refused is not None:
                settle(group.rest_of(refused), FULL)
        else:
            settle(group.give_up(now_s - 3), FULL)
    while (load := group.take()) is not None:
        settle(load, None)

    assert group.waiting_bytes == 0
    assert not group.is_shut
    accepted: list[int] = []
    for backend in backends:
        assert [row for row, _ in backend.told] == backend.rows
        refusals = [not isinstance(answer, int) for _, answer in backend.told]
        assert refusals == sorted(refusals), "nothing follows a refusal"
        for row, answer in backend.told:
            if isinstance(answer, int):
                assert logged[answer] == row
                accepted.append(answer)
    # Ordered: what one door took first stands first.
    assert accepted == list(range(len(logged)))


def test_nothing_overtakes_a_row_without_room() -> None:
    group = GroupCommit(max_envelope_events=9, max_envelope_bytes=999, max_waiting_bytes=10)
    backend = Backend([])
    assert group.offer([sized(6), sized(5), sized(1)], 0, backend.answer) == 1
    assert group.offer([sized(5)], 0, backend.answer) == 0
    assert group.waiting_bytes == 6


def test_who_has_refused_is_shut_until_an_eighth_of_the_room_is_free() -> None:
    group = GroupCommit(max_envelope_events=1, max_envelope_bytes=999, max_waiting_bytes=80)
    backend = Backend([])
    assert group.offer([sized(5)] * 17, 0, backend.answer) == 16
    for _ in range(2):
        assert group.is_shut
        assert group.offer([sized(1)], 0, backend.answer) == 0
        assert group.take() is not None
    assert not group.is_shut
    assert group.offer([sized(1)], 0, backend.answer) == 1


def test_only_what_has_waited_too_long_is_given_up() -> None:
    group = GroupCommit(max_envelope_events=1, max_envelope_bytes=999, max_waiting_bytes=999)
    first_row, second_row, last_row = map(of, (b"a", b"b", b"c"))
    early, late = Backend([first_row, second_row]), Backend([last_row])
    group.offer(early.rows, 1, early.answer)
    group.offer(late.rows, 2, late.answer)
    first = group.take()
    assert first is not None
    given_up = group.give_up(2)
    assert given_up is not None
    assert rows_of(given_up) == [second_row]
    last = group.take()
    assert last is not None
    assert rows_of(last) == [last_row]
    assert group.take() is None
    assert group.give_up(99) is None


@given(st.integers(0, 1 << 20), st.floats(0, 10), st.integers(0, 1 << 20))
def test_only_a_large_envelope_with_less_than_another_behind_it_rests(
    load_bytes: int, took_s: float, waiting_bytes: int
) -> None:
    group = GroupCommit(
        max_envelope_events=9, max_envelope_bytes=900 << 10, max_waiting_bytes=1 << 20
    )
    group.offer([sized(waiting_bytes)] if waiting_bytes else [], 0, Backend([]).answer)
    rest_s = group.rest_s(load_bytes, took_s)
    assert 0 <= rest_s <= LONGEST_REST_S
    rests = load_bytes > LARGE_ENVELOPE_BYTES and 0 < waiting_bytes < longest_row_bytes(900 << 10)
    assert rest_s == (min(took_s * REST_RATIO, LONGEST_REST_S) if rests else 0)
