"""Each gate on both sides of its boundary."""

from hypothesis import given
from hypothesis import strategies as st

from reno.gates import (
    MAX_AHEAD_MS,
    is_duplicate,
    is_expired,
    is_from_the_future,
    is_pushable,
    is_stale,
    is_targeted,
)

TIMES = st.integers(0, 1 << 45)
SPANS = st.integers(1, 1 << 35)
NAMES = st.sampled_from(["tv-1", "tv-2", "phone-1", "browser-1"])
CLASSES = st.sampled_from(["tv", "phone", "browser"])
NAME_SETS = st.frozensets(NAMES)
CLASS_SETS = st.frozensets(CLASSES)


@given(TIMES, SPANS)
def test_stale_begins_one_millisecond_after_max_age(now_ms: int, max_age_ms: int) -> None:
    assert not is_stale(now_ms - max_age_ms, max_age_ms, now_ms)
    assert is_stale(now_ms - max_age_ms - 1, max_age_ms, now_ms)


@given(TIMES)
def test_the_future_begins_60_s_ahead(now_ms: int) -> None:
    assert MAX_AHEAD_MS == 60_000
    assert not is_from_the_future(now_ms + MAX_AHEAD_MS, now_ms)
    assert is_from_the_future(now_ms + MAX_AHEAD_MS + 1, now_ms)


@given(TIMES, SPANS)
def test_once_a_repeat_counts_until_the_window_has_passed(first_ms: int, window_ms: int) -> None:
    assert is_duplicate(first_ms, window_ms, first_ms)
    assert is_duplicate(first_ms, window_ms, first_ms + window_ms - 1)
    assert not is_duplicate(first_ms, window_ms, first_ms + window_ms)


@given(TIMES, SPANS)
def test_what_was_never_seen_is_no_duplicate(log_time_ms: int, window_ms: int) -> None:
    assert not is_duplicate(None, window_ms, log_time_ms)


@given(TIMES)
def test_a_window_of_zero_knows_no_duplicates(first_ms: int) -> None:
    assert not is_duplicate(first_ms, 0, first_ms)


@given(TIMES)
def test_fresh_a_push_ends_after_push_until(push_until_ms: int) -> None:
    assert is_pushable(push_until_ms, push_until_ms)
    assert not is_pushable(push_until_ms, push_until_ms + 1)


@given(TIMES)
def test_an_event_is_shown_until_expires_at(expires_at_ms: int) -> None:
    assert not is_expired(expires_at_ms, expires_at_ms)
    assert is_expired(expires_at_ms, expires_at_ms + 1)


@given(NAMES, CLASSES, CLASS_SETS, NAME_SETS, st.one_of(st.just(""), NAMES))
def test_private_a_device_must_meet_every_list_that_is_set(
    device_id: str,
    device_class: str,
    classes: frozenset[str],
    device_ids: frozenset[str],
    origin_device_id: str,
) -> None:
    shown = is_targeted(
        device_id,
        device_class,
        classes=classes,
        device_ids=device_ids,
        origin_device_id=origin_device_id,
    )
    hindrances = [
        bool(classes) and device_class not in classes,
        bool(device_ids) and device_id not in device_ids,
        device_id == origin_device_id,
    ]
    assert shown == (not any(hindrances))


@given(NAMES, CLASSES)
def test_no_lists_and_no_origin_mean_every_device(device_id: str, device_class: str) -> None:
    assert is_targeted(device_id, device_class, classes=(), device_ids=(), origin_device_id="")
