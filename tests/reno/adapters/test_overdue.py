"""Nobody waits for ever, and nobody's cancellation is lost."""

import asyncio

import pytest

from reno.adapters.overdue import Overdue


async def never(overdue: Overdue) -> None:
    with overdue:
        await asyncio.get_running_loop().create_future()


async def test_what_is_never_answered_ends() -> None:
    overdue = Overdue(0.02)
    for _ in range(2):
        waiting = [asyncio.create_task(never(overdue)) for _ in range(3)]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [TimeoutError] * 3


async def test_what_is_answered_goes_on_undisturbed() -> None:
    overdue = Overdue(0.02)
    for _ in range(5):
        with overdue:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_anothers_cancellation_stays_one() -> None:
    overdue = Overdue(60.0)
    waiting = asyncio.create_task(never(overdue))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    hasty = Overdue(0.02)
    waiting = asyncio.create_task(never(hasty))
    await asyncio.sleep(0)
    # Both at once: the tick finds a task that is already being cancelled.
    hasty._tick()
    hasty._due_s[waiting] = 0.0
    hasty._tick()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_failure_inside_is_not_touched() -> None:
    with pytest.raises(ZeroDivisionError), Overdue(60.0):
        raise ZeroDivisionError
