"""The window against a dictionary."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from processor.duplicate_window import DuplicateWindow
from processor.recollection import Recollection


def an_id(number: int) -> bytes:
    return xxh3_128_digest(number.to_bytes(8, "big"))[:12]


def remember_all(window: DuplicateWindow, numbers: range, per_ms: int, window_ms: int) -> None:
    for start in range(numbers.start, numbers.stop, 1000):
        ids = [an_id(number) for number in range(start, min(start + 1000, numbers.stop))]
        now_ms = 1 + start // per_ms
        window.remember(ids, [now_ms] * len(ids), now_ms - window_ms)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 40), max_size=30),
            st.sampled_from((0, 1, 500, 9_999, 10_000, 1 << 31, 1 << 33)),
        ),
        max_size=20,
    )
)
def test_it_answers_as_a_dictionary_would(steps: list[tuple[set[int], int]]) -> None:
    window = DuplicateWindow()
    model: dict[bytes, int] = {}
    everything = [an_id(number) for number in range(41)]
    now_ms = 1
    for numbers, later_ms in steps:
        now_ms += later_ms
        known_since_ms = max(0, now_ms - 10_000)
        ids = [an_id(number) for number in numbers]
        window.remember(ids, [now_ms] * len(ids), known_since_ms)
        model |= dict.fromkeys(ids, now_ms)
        known = {key: ms for key, ms in model.items() if ms > known_since_ms}
        expected = [known.get(each, 0) for each in everything]
        assert window.first_ms(everything, known_since_ms) == expected


def test_ids_that_crowd_into_one_group_are_all_known() -> None:
    window = DuplicateWindow()
    ids = [b"\0\0" + number.to_bytes(8, "big") + b"\0\0" for number in range(2000)]
    window.remember(ids, list(range(1, 2001)), 0)
    assert window.first_ms(ids, 0) == list(range(1, 2001))
    assert window.first_ms(ids[:10], 5) == [0, 0, 0, 0, 0, 6, 7, 8, 9, 10]
    window.remember(ids, [3000] * 2000, 2500)
    assert window.first_ms(ids, 2500) == [3000] * 2000


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=20),
    st.sampled_from((0, 1, 500)),
    st.integers(0, 8_000),
    st.sampled_from((1, 40, 1 << 16)),
)
def test_once_what_is_recalled_is_known_as_if_it_had_been_remembered(
    batches: list[list[int]], apart_ms: int, known_since_ms: int, buffered: int
) -> None:
    """Also of an id that came again, and in a log time that stands still."""
    one_by_one, recalled, model = DuplicateWindow(), Recollection(), dict[bytes, int]()
    with patch("processor.recollection._BUFFERED_IDS", buffered):
        for number, batch in enumerate(batches):
            now_ms = 1 + number * apart_ms
            ids = [an_id(each) for each in batch]
            for each in ids:
                one_by_one.remember([each], [now_ms], 0)
            recalled.add(b"".join(ids), len(ids), now_ms)
            model |= dict.fromkeys(ids, now_ms)
        together = DuplicateWindow()
        for _ in together.take_up(recalled, known_since_ms):
            pass
    everything = [an_id(number) for number in range(41)]
    known = {key: ms for key, ms in model.items() if ms > known_since_ms}
    expected = [known.get(each, 0) for each in everything]
    assert one_by_one.first_ms(everything, known_since_ms) == expected
    assert together.first_ms(everything, known_since_ms) == expected
    together.remember(everything, [100_000] * 41, 99_999)
    assert together.first_ms(everything, 99_999) == [100_000] * 41


def test_it_takes_up_what_fills_many_shelves() -> None:
    recalled, window = Recollection(), DuplicateWindow()
    ids = [an_id(number) for number in range(150_000)]
    for start in range(0, 150_000, 500):
        recalled.add(b"".join(ids[start : start + 500]), 500, 1 + start // 500)
    recalled.add(b"".join(ids[:500]), 500, 1000)
    steps = sum(1 for _ in window.take_up(recalled, 10))
    assert steps > 1
    firsts = window.first_ms(ids, 10)
    assert firsts[:500] == [1000] * 500
    assert firsts[500:] == [
        1 + number // 500 if number >= 5000 else 0 for number in range(500, 150_000)
    ]
    assert window.memory_bytes / 150_000 < 18


def test_it_grows_and_forgets_nothing_that_is_known() -> None:
    window = DuplicateWindow()
    remember_all(window, range(200_000), per_ms=10, window_ms=1 << 40)
    numbers = list(range(0, 200_000, 997))
    firsts = window.first_ms([an_id(number) for number in numbers], 0)
    assert firsts == [1 + number // 1000 * 1000 // 10 for number in numbers]
    assert window.first_ms([an_id(number) for number in range(200_000, 201_000)], 0) == [0] * 1000


def test_bounded_what_is_old_makes_room_for_what_comes() -> None:
    window = DuplicateWindow()
    remember_all(window, range(500_000), per_ms=10, window_ms=5_000)
    # 50,000 are known at a time; the smallest table has room for as many and a few more.
    assert window.memory_bytes / 50_000 < 32
