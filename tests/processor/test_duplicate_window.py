from hypothesis import given, settings
from hypothesis import strategies as st

from processor.duplicate_window import DuplicateWindow

LONGEST_MS = 10_000


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from((0, 1, 500, 1000, 4000, 9999, 10_000, 25_000)))
    )
)
def test_pruning_changes_no_answer(steps: list[tuple[int, int]]) -> None:
    window = DuplicateWindow(12, LONGEST_MS)
    model: dict[bytes, int] = {}
    now_ms = 0
    for number, later_ms in steps:
        now_ms += later_ms
        an_id = number.to_bytes(12, "big")
        first = model.get(an_id)
        expected = None if first is None or now_ms - first >= LONGEST_MS else first
        assert window.first_ms(an_id, now_ms) == expected
        window.remember(an_id, now_ms)
        model[an_id] = now_ms


def test_bounded_it_forgets_what_is_older_than_the_longest_window() -> None:
    window = DuplicateWindow(12, LONGEST_MS)
    for number in range(200_000):
        window.remember(number.to_bytes(12, "big"), number)
    # The longest window, and at most the slices at its two ends.
    assert LONGEST_MS <= len(window) <= LONGEST_MS + 2 * 1000
