import asyncio

from reno.server.turns import Turns

AT_A_TIME = 8


async def test_who_comes_in_meanwhile_waits_for_a_few_and_all_have_their_turn() -> None:
    turns = Turns(AT_A_TIME)
    in_a_row = longest = 0
    done: list[int] = []

    async def work(number: int) -> None:
        nonlocal in_a_row, longest
        await turns.take()
        done.append(number)
        in_a_row += 1
        longest = max(longest, in_a_row)

    async def something_else() -> None:
        nonlocal in_a_row
        while len(done) < 9 * AT_A_TIME:
            in_a_row = 0
            await asyncio.sleep(0)

    working = [asyncio.create_task(work(number)) for number in range(10 * AT_A_TIME)]
    beside = asyncio.create_task(something_else())
    await asyncio.sleep(0)
    for task in working[2 * AT_A_TIME : 3 * AT_A_TIME]:
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*working, beside, return_exceptions=True)
    assert longest <= AT_A_TIME
    assert done == sorted(done)
    assert len(done) == 9 * AT_A_TIME
    # And when it is quiet again nobody waits.
    turn = turns.take()
    try:
        turn.send(None)
    except StopIteration:
        return
    raise AssertionError
