import pytest

from gateway.devices.cursor import FROM_ACKNOWLEDGED, FROM_LATEST, Cursor
from gateway.devices.starting import Beginning, begin, complete_since_ms, wanted_positions
from reno.catalogue.entry import LONGEST_TTL_MS
from reno.domain.priority import LANES
from reno.v1.notification_service_pb2 import (
    START_AT_ACKNOWLEDGED,
    START_AT_LATEST,
    START_AT_START,
    START_AT_UNSPECIFIED,
    StartAt,
)


@pytest.mark.parametrize(
    ("start_at", "wanted"),
    [
        (START_AT_UNSPECIFIED, FROM_ACKNOWLEDGED),
        (START_AT_START, 0),
        (START_AT_LATEST, FROM_LATEST),
        (START_AT_ACKNOWLEDGED, FROM_ACKNOWLEDGED),
    ],
)
def test_without_a_cursor_the_device_chooses(start_at: StartAt.ValueType, wanted: int) -> None:
    assert wanted_positions(None, start_at) == dict.fromkeys(LANES, wanted)
    cursor = Cursor(0, 0, dict.fromkeys(LANES, 9))
    assert wanted_positions(cursor, start_at) == cursor.positions


@pytest.mark.parametrize(
    ("wanted", "acknowledged", "expected"),
    [
        (0, 0, Beginning(0, is_ahead=False)),
        (100, 0, Beginning(100, is_ahead=False)),
        (101, 0, Beginning(0, is_ahead=True)),
        (50, 80, Beginning(50, is_ahead=False)),
        (FROM_LATEST, 80, Beginning(100, is_ahead=False)),
        (FROM_ACKNOWLEDGED, 80, Beginning(80, is_ahead=False)),
        (FROM_ACKNOWLEDGED, 0, Beginning(0, is_ahead=False)),
        (FROM_ACKNOWLEDGED, 101, Beginning(0, is_ahead=True)),
    ],
)
def test_where_a_lane_begins(wanted: int, acknowledged: int, expected: Beginning) -> None:
    assert begin(wanted, mark=100, acknowledged=acknowledged) == expected


def test_an_old_cursor_is_a_gap() -> None:
    """Resumable: what is lost is said."""
    now = LONGEST_TTL_MS * 3
    young = Cursor(now - LONGEST_TTL_MS, 0, {})
    old = Cursor(now - LONGEST_TTL_MS - 1, 0, {})
    assert complete_since_ms(None, now) is None
    assert complete_since_ms(young, now) is None
    assert complete_since_ms(old, now) == now - LONGEST_TTL_MS
