"""The gates: pure decisions about one event. Time is an argument, in unix milliseconds."""

from collections.abc import Collection

MAX_AHEAD_MS = 60_000
"""How far occurred_at may lie ahead of the door's clock."""


def is_stale(occurred_at_ms: int, max_age_ms: int, now_ms: int) -> bool:
    """Too old to be accepted: older than max_age. At exactly max_age it still passes."""
    return now_ms - occurred_at_ms > max_age_ms


def is_from_the_future(occurred_at_ms: int, now_ms: int) -> bool:
    """More than 60 s ahead of the door's clock."""
    return occurred_at_ms - now_ms > MAX_AHEAD_MS


def is_duplicate(first_seen_ms: int | None, window_ms: int, log_time_ms: int) -> bool:
    """A repeat while less than the window has passed since the first, in log time."""
    return first_seen_ms is not None and log_time_ms - first_seen_ms < window_ms


def is_pushable(push_until_ms: int, now_ms: int) -> bool:
    """May still be labelled PUSH."""
    return now_ms <= push_until_ms


def is_expired(expires_at_ms: int, now_ms: int) -> bool:
    """No read shows it any more."""
    return now_ms > expires_at_ms


def is_targeted(
    device_id: str,
    device_class: str,
    *,
    classes: Collection[str],
    device_ids: Collection[str],
    origin_device_id: str,
) -> bool:
    """The device meets every list that is not empty and did not cause the event itself."""
    if origin_device_id and device_id == origin_device_id:
        return False
    return (not classes or device_class in classes) and (not device_ids or device_id in device_ids)
