"""A deadline on a clock that is moved by hand: it goes off when it should, whatever it was before, and with one timer at most."""

import asyncio
import random
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.devices.alarm import Alarm
from gateway.devices.deadline import Deadline
from tests.simulation.kernel import Kernel

_steps = st.lists(
    st.tuples(st.sampled_from(["set", "pass"]), st.integers(0, 9)) | st.just(("clear", 0)),
    max_size=30,
)


@given(_steps)
def test_it_goes_off_when_the_last_moment_set_has_come(steps: list[tuple[str, int]]) -> None:
    kernel = Kernel()
    went_off: list[float] = []
    expected: list[float] = []
    due: float | None = None
    with kernel.running(0):
        deadline = Deadline(lambda: went_off.append(kernel.now_s))
        for what, seconds in steps:
            if what == "set":
                due = kernel.now_s + seconds
                deadline.set(due)
            elif what == "clear":
                due = None
                deadline.clear()
            else:
                to_s = kernel.now_s + seconds
                if due is not None and due <= to_s:
                    expected.append(due)
                    due = None
                kernel.advance(to_s)
            assert went_off == expected
            assert sum(not handle.cancelled() for _, _, handle in kernel._timers) <= 1
        deadline.close()
        assert kernel.next_timer_s() is None
        kernel.advance(kernel.now_s + 100)
    assert went_off == expected


def test_an_alarm_rings_or_its_moment_comes_and_a_ring_is_kept() -> None:
    kernel = Kernel()
    heard: list[tuple[float, bool]] = []
    with kernel.running(0):
        alarm = Alarm()

        async def wait() -> None:
            for until_s in (5.0, 20.0, 30.0, 31.0):
                heard.append((kernel.now_s, await alarm.wait_until(until_s)))

        waiting = asyncio.Task(wait(), loop=kernel.loop)
        for at_s, rings in ((0.0, 0), (4.0, 1), (7.0, 2), (25.0, 1), (40.0, 0)):
            kernel.advance(at_s)
            for _ in range(rings):
                alarm.ring()
            kernel.run_ready()
        alarm.close()
        assert kernel.next_timer_s() is None
    assert waiting.done()
    assert heard == [(0.0, True), (4.0, True), (7.0, True), (25.0, False)]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_alarms_on_real_loops_with_moments_that_come_at_once(run: Callable[..., int]) -> None:
    async def wait() -> int:
        loop = asyncio.get_running_loop()
        alarm, woken = Alarm(), 0
        while woken < 500:
            ends_s = loop.time() + random.uniform(-0.0002, 0.002)
            if random.random() < 0.5:
                loop.call_soon(alarm.ring)
            rang = await alarm.wait_until(ends_s)
            assert rang or loop.time() >= ends_s
            woken += 1
        alarm.close()
        return woken

    async def together() -> int:
        return sum(await asyncio.gather(*(wait() for _ in range(10))))

    assert run(together()) == 5000
