"""Which shards somebody has: what is written is what is meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reno.domain.shard_set import ALL_SHARDS, ShardSet, parse_shards


@settings(max_examples=100)
@given(st.frozensets(st.integers(0, 1023), min_size=1, max_size=40))
def test_what_is_said_is_read_again(numbers: frozenset[int]) -> None:
    assert parse_shards(str(ShardSet(numbers))) == ShardSet(numbers)


@pytest.mark.parametrize(
    ("text", "shards", "numbers"),
    [
        ("all", 3, (0, 1, 2)),
        ("0", 1, (0,)),
        ("0-1", 4, (0, 1)),
        ("6,0-2", 7, (0, 1, 2, 6)),
        ("1,1-2", 3, (1, 2)),
    ],
)
def test_numbers_and_ranges(text: str, shards: int, numbers: tuple[int, ...]) -> None:
    found = parse_shards(text)
    assert found.of(shards) == numbers
    assert [number for number in range(shards) if number in found] == list(numbers)


def test_all_is_whatever_there_is() -> None:
    assert parse_shards("all") == ALL_SHARDS
    assert 1000 in ALL_SHARDS
    assert str(ALL_SHARDS) == "all"


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "2-1", "1,,2", "0 1", "12345"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shards"):
        parse_shards(text)


def test_a_shard_that_the_lane_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="the lane has 4"):
        parse_shards("2-4").of(4)
