"""Promise: Isolated. A lane's processors come to the same shares by themselves, even ones that change little."""

from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.sharing import shards_of

NAMES = st.sets(st.text("0123456789abcdef", min_size=8, max_size=8), min_size=1, max_size=12)


@given(living=NAMES, shards=st.integers(1, 64))
@settings(max_examples=100)
def test_every_shard_has_one_owner_and_nobody_two_more_than_another(
    living: set[str], shards: int
) -> None:
    shares = [shards_of(name, sorted(living, key=hash), shards) for name in living]
    assert sorted(number for share in shares for number in share) == list(range(shards))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@given(living=NAMES, shards=st.integers(1, 64))
@settings(max_examples=50)
def test_who_does_not_live_has_nothing(living: set[str], shards: int) -> None:
    assert shards_of("a stranger", living, shards) == frozenset()


@pytest.mark.parametrize(("shards", "processors"), [(8, 2), (16, 3), (64, 4), (64, 8)])
def test_little_more_moves_than_has_to(shards: int, processors: int) -> None:
    """When one joins, and the same shards go back when it leaves."""
    moved = []
    for turn in range(20):
        names = [f"{turn}-{number}" for number in range(processors + 1)]
        before = {
            number: name for name in names[:-1] for number in shards_of(name, names[:-1], shards)
        }
        after = {number: name for name in names for number in shards_of(name, names, shards)}
        moved.append(sum(before[number] != after[number] for number in range(shards)))
    assert mean(moved) <= 2 * shards / (processors + 1)
    assert max(moved) <= shards / 2
