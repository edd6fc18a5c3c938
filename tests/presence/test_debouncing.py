import itertools

from hypothesis import given
from hypothesis import strategies as st

from presence.debouncing import Debounced

INTERVAL_MS = 100

steps = st.lists(
    st.tuples(st.sampled_from((0, 1, 10, 49, 50, 99, 100, 101, 250)), st.sampled_from("abc")),
    max_size=40,
)


def play(seen: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], dict[int, str], int]:
    """What was told and when, what held at each millisecond, and how long it went on; looked at every millisecond."""
    value, now_ms = Debounced("a"), 0
    told: list[tuple[int, str]] = []
    held: dict[int, str] = {}

    def pass_time(until_ms: int) -> None:
        nonlocal now_ms
        while now_ms < until_ms:
            now_ms += 1
            held[now_ms] = value.now
            if value.is_due(INTERVAL_MS, now_ms):
                value.tell()
                told.append((now_ms, value.told))

    for wait_ms, is_now in seen:
        pass_time(now_ms + wait_ms)
        value.see(is_now, now_ms)
    pass_time(now_ms + INTERVAL_MS)
    assert value.is_settled
    return told, held, now_ms


@given(steps)
def test_after_quiet_for_an_interval_the_last_that_was_told_holds(
    seen: list[tuple[int, str]],
) -> None:
    told, held, end_ms = play(seen)
    assert (told[-1][1] if told else "a") == held[end_ms]


@given(steps)
def test_no_more_than_one_change_is_told_in_an_interval(seen: list[tuple[int, str]]) -> None:
    told, _held, _end_ms = play(seen)
    times = [0, *(at_ms for at_ms, _ in told)]
    assert all(later - sooner >= INTERVAL_MS for sooner, later in itertools.pairwise(times))


@given(steps)
def test_what_went_back_within_the_interval_is_not_told(seen: list[tuple[int, str]]) -> None:
    told, held, _end_ms = play(seen)
    before = "a"
    for at_ms, value in told:
        assert value != before
        assert value == held[at_ms]
        assert before not in {held[ms] for ms in range(at_ms - INTERVAL_MS + 1, at_ms)}
        before = value
