"""Promise: Bounded."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from processor.fold import Deliverable
from processor.unlocated import Unlocated


def a_row(position: int, size: int, *, store_only: bool) -> Deliverable:
    return Deliverable(b"\0anna", "", "anna", position, bytes(size), store_only, "")


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12))
def test_it_keeps_the_first_that_have_room_and_says_when_not_all_have(
    sizes: Sequence[tuple[int, bool]],
) -> None:
    unlocated = Unlocated(max_rows=5, max_bytes=100)
    rows = [a_row(at, size, store_only=quiet) for at, (size, quiet) in enumerate(sizes)]
    kept_all = unlocated.keep(rows, [None] * len(rows))
    waking = [row for row in rows if not row.store_only]
    assert unlocated.rows == waking[: len(unlocated)]
    assert len(unlocated.previous) == len(unlocated) <= 5
    assert sum(len(row.row) for row in unlocated.rows) <= 100
    assert kept_all == (len(unlocated) == len(waking))
    unlocated.clear()
    assert not unlocated
