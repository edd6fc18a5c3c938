"""Promise: Bounded."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from processor.unlocated import Unlocated
from reno.ports import RowWrite


@given(st.lists(st.integers(0, 50), max_size=12))
def test_it_keeps_the_first_that_have_room_and_says_when_not_all_have(
    sizes: Sequence[int],
) -> None:
    unlocated = Unlocated(max_rows=5, max_bytes=100)
    rows = [RowWrite(b"\0anna", at, 0, bytes(size)) for at, size in enumerate(sizes)]
    kept_all = unlocated.keep(rows, [None] * len(rows))
    assert unlocated.rows == rows[: len(unlocated)]
    assert len(unlocated.previous) == len(unlocated) <= 5
    assert sum(len(row.row) for row in unlocated.rows) <= 100
    assert kept_all == (len(unlocated) == len(rows))
    unlocated.clear()
    assert not unlocated
