import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devices.cursor import FROM_LATEST, Cursor, highest, owner_of
from reno.domain.identity import Device
from reno.domain.position import MAX_POSITION
from reno.domain.priority import LANES
from reno.domain.reason import Reason
from reno.errors import CallerFault, NotAllowed
from tests.gateway.devices.rows import PHONE, TV

positions = st.fixed_dictionaries(dict.fromkeys(LANES, st.integers(FROM_LATEST, MAX_POSITION)))
issued = st.integers(0, (1 << 48) - 1)


@given(issued, positions)
def test_a_cursor_comes_back_as_it_was(at_ms: int, places: dict) -> None:  # type: ignore[type-arg]
    cursor = Cursor(at_ms, owner_of(TV), places)
    text = cursor.seal()
    assert Cursor.open(text, TV) == cursor
    assert len(text) <= 512
    assert text.replace("-", "").replace("_", "").isalnum()


def test_every_flipped_bit_is_noticed() -> None:
    for bit in range(len(Cursor(1, 1, dict.fromkeys(LANES, 1)).seal()) * 8):
        open_flipped(Cursor(1_800_000_000_000, owner_of(TV), dict.fromkeys(LANES, 7)), bit)


@given(issued, positions, st.integers(min_value=0))
def test_a_flipped_bit_is_noticed_in_every_cursor(at_ms: int, places: dict, bit: int) -> None:  # type: ignore[type-arg]
    open_flipped(Cursor(at_ms, owner_of(TV), places), bit)


def open_flipped(cursor: Cursor, bit: int) -> None:
    flipped = bytearray(cursor.seal().encode())
    flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
    with pytest.raises(CallerFault) as fault:
        Cursor.open(flipped.decode("latin-1"), TV)
    assert fault.value.reason is Reason.CURSOR_MALFORMED
    assert fault.value.field == "cursor"


@given(st.text(max_size=80))
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(CallerFault):
        Cursor.open(text, TV)


@pytest.mark.parametrize("other", [PHONE, Device("", "bert", "tv-1", "tv")])
def test_a_foreign_cursor_is_not_allowed(other: Device) -> None:
    """Private."""
    text = Cursor(1, owner_of(TV), dict.fromkeys(LANES, 7)).seal()
    with pytest.raises(NotAllowed) as refused:
        Cursor.open(text, other)
    assert refused.value.reason is Reason.CURSOR_FOREIGN


@given(positions, positions)
def test_acknowledging_never_goes_back(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    both = highest(one, other)
    assert both == highest(other, one)
    assert all(both[lane] >= max(one[lane], other[lane]) for lane in LANES)
