"""Finds a log time in a shard's journal. Log time is a running maximum, so it rises with the place: a binary search, not a walk through a day."""

from collections.abc import Callable


def first_place(
    newest: int,
    since_ms: int,
    *,
    next_place: Callable[[int], int],
    log_time_ms: Callable[[int], int],
) -> int:
    """The first entry with log time >= since_ms, or the newest where all are older. `next_place` gives the first entry at or after a place up to newest."""
    low, high = next_place(0), newest
    # The answer is the first entry at or after some place in low..high.
    while low < high:
        middle = (low + high) // 2
        entry = next_place(middle)
        if entry >= newest or log_time_ms(entry) >= since_ms:
            high = middle
        else:
            low = entry + 1
    return next_place(low)
