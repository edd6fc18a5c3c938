from hypothesis import given
from hypothesis import strategies as st

from reno.cli.watch import Watch, WatchLimits

LIMITS = WatchLimits(
    silent_after_s=10,
    start_timeout_s=30,
    restart_delay_s=0.2,
    max_restart_delay_s=5,
    longest_step_s=4,
)
steps = st.lists(st.tuples(st.floats(0.01, 3), st.booleans()), max_size=60)


@given(steps)
def test_silent_exactly_when_no_answer_came_for_the_limit(steps: list[tuple[float, bool]]) -> None:
    watch = Watch(LIMITS)
    now = last = 100.0
    begun = False
    watch.started(now)
    for step, answered in steps:
        now += step
        if answered:
            begun, last = True, now
        limit = LIMITS.silent_after_s if begun else LIMITS.start_timeout_s
        silence = now - last
        if abs(silence - limit) > 1e-6:
            assert watch.heard(now, answered) == (silence >= limit)
        else:
            watch.heard(now, answered)


@given(st.floats(4, 1e6), st.integers(1, 2))
def test_a_watcher_that_was_frozen_does_not_blame_the_child(frozen: float, times: int) -> None:
    watch = Watch(LIMITS)
    watch.started(0)
    watch.heard(1, True)
    now = 1.0
    for _ in range(times):
        now += frozen
        assert not watch.heard(now, False)


@given(st.lists(st.floats(0, 4.9), min_size=1, max_size=200))
def test_delays_double_up_to_the_longest(lives: list[float]) -> None:
    watch = Watch(LIMITS)
    now, expected = 0.0, LIMITS.restart_delay_s
    for life in lives:
        watch.started(now)
        watch.heard(now, True)
        now += life
        assert watch.died(now) == min(expected, LIMITS.max_restart_delay_s)
        expected *= 2


@given(st.integers(1, 50), st.floats(5.1, 1e6))
def test_a_long_life_begins_anew(deaths: int, life: float) -> None:
    watch = Watch(LIMITS)
    for _ in range(deaths):
        watch.started(0)
        watch.died(0)
    watch.started(0)
    watch.heard(0, True)
    assert watch.died(life) == LIMITS.restart_delay_s


@given(st.floats(0, 1e6))
def test_a_child_that_never_answered_did_not_live_well(life: float) -> None:
    watch = Watch(LIMITS)
    watch.started(0)
    first = watch.died(life)
    watch.started(life)
    assert watch.died(2 * life) == 2 * first
