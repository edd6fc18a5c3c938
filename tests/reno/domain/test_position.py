"""Positions: what a device's order and every stored key hang on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.domain.position import (
    MAX_EVENTS_PER_ENVELOPE,
    MAX_POSITION,
    MAX_SEQUENCE,
    mark_of,
    parts_of,
    position_of,
)

GENERATIONS = st.integers(0, 255)
SEQUENCES = st.integers(0, MAX_SEQUENCE)
INDEXES = st.integers(0, MAX_EVENTS_PER_ENVELOPE)
PARTS = st.tuples(GENERATIONS, SEQUENCES, INDEXES)


@given(PARTS)
def test_parts_survive_a_round_trip(parts: tuple[int, int, int]) -> None:
    assert parts_of(position_of(*parts)) == parts


@given(PARTS, PARTS)
def test_ordered_positions_compare_as_their_parts_do(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assert (position_of(*one) < position_of(*other)) == (one < other)


@given(PARTS)
def test_a_position_fits_a_signed_64_bit_field_and_8_bytes_keep_the_order(
    parts: tuple[int, int, int],
) -> None:
    position = position_of(*parts)
    assert 0 <= position <= MAX_POSITION < 1 << 63
    assert int.from_bytes(position.to_bytes(8, "big"), "big") == position


@given(GENERATIONS, st.integers(0, MAX_SEQUENCE - 1), st.integers(0, MAX_EVENTS_PER_ENVELOPE - 1))
def test_a_mark_lies_above_its_envelope_and_below_the_next(
    generation: int, sequence: int, index: int
) -> None:
    mark = mark_of(generation, sequence)
    assert position_of(generation, sequence, index) < mark
    assert mark < position_of(generation, sequence + 1, 0)


@pytest.mark.parametrize(
    "parts",
    [
        (256, 0, 0),
        (0, MAX_SEQUENCE + 1, 0),
        (0, 0, MAX_EVENTS_PER_ENVELOPE + 1),
        (-1, 0, 0),
        (0, -1, 0),
        (0, 0, -1),
    ],
)
def test_a_part_that_does_not_fit_is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no position"):
        position_of(*parts)


def test_stored_positions_never_change() -> None:
    assert position_of(0, 1, 0) == 4096
    assert position_of(0, 10, 0) == 40960
    assert position_of(1, 0, 0) == 1 << 55
    assert position_of(255, MAX_SEQUENCE, MAX_EVENTS_PER_ENVELOPE) == MAX_POSITION == (1 << 63) - 1
