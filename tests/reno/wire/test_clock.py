"""Milliseconds and the contract's timestamps."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from reno.wire.clock import duration, timestamp, to_ms


@given(st.integers(-(1 << 40), 1 << 45))
def test_a_timestamp_survives_a_round_trip(ms: int) -> None:
    stamp = timestamp(ms)
    assert to_ms(stamp) == ms
    assert 0 <= stamp.nanos < 1_000_000_000


@given(st.integers(0, 1 << 40))
def test_a_duration_is_kept_to_the_millisecond(ms: int) -> None:
    assert to_ms(duration(ms / 1000)) == ms


def test_what_is_finer_is_rounded_down() -> None:
    assert to_ms(Timestamp(seconds=1, nanos=1_999_999)) == 1001
    assert to_ms(Duration(seconds=0, nanos=999_999)) == 0
