"""Timestamps and durations of the contract as milliseconds."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def to_ms(value: Timestamp | Duration) -> int:
    """Rounded down to the millisecond."""
    return value.seconds * 1000 + value.nanos // 1_000_000


def timestamp(ms: int) -> Timestamp:
    """A Timestamp of unix milliseconds."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def duration(seconds: float) -> Duration:
    """A Duration, to the millisecond."""
    ms = round(seconds * 1000)
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)
