"""A cancellation ends the task, whatever else happened in that moment."""

import asyncio

import pytest

from reno.adapters.heeding import heeding_cancellation


@pytest.mark.parametrize("is_refused", [False, True], ids=["answered", "refused"])
async def test_an_answer_in_the_same_moment_does_not_undo_a_cancellation(is_refused: bool) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask() -> int:
        return await heeding_cancellation(asyncio.wait_for(future, 10))

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    if is_refused:
        future.set_exception(ValueError("refused"))
    else:
        future.set_result(1)
    asking.cancel()
    await asyncio.wait({asking}, timeout=10)
    assert asking.cancelled()


async def test_a_timeout_around_it_is_a_timeout() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await heeding_cancellation(asyncio.wait_for(future, 10))


async def test_answers_and_refusals_come_through() -> None:
    async def answer() -> int:
        return 1

    async def refuse() -> int:
        raise ValueError("refused")

    assert await heeding_cancellation(answer()) == 1
    with pytest.raises(ValueError, match="refused"):
        await heeding_cancellation(refuse())
