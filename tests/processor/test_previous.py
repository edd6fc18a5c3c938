"""Promise: Resumable. A wrong `prev` would let a session skip a row; an unknown one costs a read."""

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.fold import Deliverable
from processor.previous import Previous

MEMBERS = [bytes([number]) for number in range(5)]


def deliverable(key: bytes, position: int) -> Deliverable:
    return Deliverable(key, position, b"", False, "")


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(MEMBERS), max_size=8), st.sets(st.sampled_from(MEMBERS)))
    ),
    st.integers(1, 4),
)
def test_it_knows_or_says_that_it_does_not(
    batches: list[tuple[list[bytes], set[bytes]]], max_members: int
) -> None:
    previous = Previous(max_members)
    truth: dict[bytes, int] = {}
    position = 0
    for keys, online in batches:
        rows = []
        expected = []
        for key in keys:
            position += 1
            rows.append(deliverable(key, position))
            expected.append(truth.get(key))
            truth[key] = position
        seen: set[bytes] = set()
        for row, said, true in zip(rows, previous.chain(rows), expected, strict=True):
            assert said is None or said == true
            # Inside a batch the chain never breaks.
            assert said is not None or row.member_key not in seen
            seen.add(row.member_key)
        previous.found_online(online)
        assert len(previous) <= max_members


def test_a_remembered_member_is_followed_while_nobody_looks() -> None:
    previous = Previous(10)
    assert previous.chain([deliverable(b"a", 1)]) == [None]
    previous.found_online([b"a"])
    assert previous.chain([deliverable(b"a", 2), deliverable(b"b", 3)]) == [1, None]
    assert previous.chain([deliverable(b"a", 4), deliverable(b"b", 5)]) == [2, None]


def test_the_one_found_longest_ago_is_forgotten() -> None:
    previous = Previous(2)
    for position, key in enumerate((b"a", b"b", b"a", b"c"), start=1):
        previous.chain([deliverable(key, position)])
        previous.found_online([key])
    rows = [deliverable(key, 9 + at) for at, key in enumerate((b"a", b"b", b"c"))]
    assert previous.chain(rows) == [3, None, 4]
