from hypothesis import given
from hypothesis import strategies as st

from gateway.devices.merging import Shown, merge
from tests.gateway.devices.rows import a_view

scopes = st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=30)


def lane(names: list[str]) -> list[Shown]:
    return [Shown(a_view(position, name)) for position, name in enumerate(names, 1)]


@given(scopes)
def test_the_newest_of_each_scope_stays_at_its_place(names: list[str]) -> None:
    merged = merge(lane(names))
    positions = [shown.row.position for shown in merged]
    assert positions == sorted(positions)
    newest = {name: position for position, name in enumerate(names, 1) if name}
    plain = [position for position, name in enumerate(names, 1) if not name]
    assert positions == sorted([*newest.values(), *plain])
    assert len(names) == len(merged) + sum(shown.merged for shown in merged)


@given(scopes, st.data())
def test_merging_again_and_in_parts_changes_nothing(names: list[str], data: st.DataObject) -> None:
    rows = lane(names)
    cut = data.draw(st.integers(0, len(rows)))
    once = [(s.row.position, s.merged) for s in merge(rows)]
    parts = merge([*merge(rows[:cut]), *rows[cut:]])
    assert [(s.row.position, s.merged) for s in parts] == once
    assert [(s.row.position, s.merged) for s in merge(parts)] == once


@given(scopes, st.data())
def test_a_prefix_handed_over_leaves_nothing_out(names: list[str], data: st.DataObject) -> None:
    """Who stops after any row and reads on from its position sees the newest of every scope."""
    merged = merge(lane(names))
    cut = data.draw(st.integers(0, len(merged)))
    at = merged[cut - 1].row.position if cut else 0
    later = merge([shown for shown in lane(names) if shown.row.position > at])
    seen = {shown.row.position for shown in [*merged[:cut], *later]}
    assert seen == {shown.row.position for shown in merged}
