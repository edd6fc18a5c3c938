"""Never more than there are, in order, and none is lost."""

import asyncio
import random

from reno.adapters.places import Places


async def test_bounded_never_more_than_there_are_and_none_is_lost() -> None:
    places, chance = Places(3), random.Random(1)
    inside = most = 0

    async def visit() -> None:
        nonlocal inside, most
        if not places.is_taken():
            await places.wait()
        try:
            inside += 1
            most = max(most, inside)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            places.give_back()

    visits = [asyncio.create_task(visit()) for _ in range(200)]
    for _ in range(30):
        await asyncio.sleep(0)
        chance.choice(visits).cancel()
    await asyncio.gather(*visits, return_exceptions=True)
    assert (inside, most) == (0, 3)
    assert [places.is_taken() for _ in range(4)] == [True, True, True, False]


async def test_who_waits_longest_is_next() -> None:
    places, order = Places(1), list[int]()
    assert places.is_taken()

    async def wait(number: int) -> None:
        await places.wait()
        order.append(number)
        places.give_back()

    waiting = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    places.give_back()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [0, 2, 3, 4]


async def test_a_place_that_came_as_its_taker_left_goes_on() -> None:
    places = Places(1)
    assert places.is_taken()
    waiting = asyncio.create_task(places.wait())
    await asyncio.sleep(0)
    places.give_back()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert places.is_taken()
