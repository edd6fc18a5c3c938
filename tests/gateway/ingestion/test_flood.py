"""A door under many large batches."""

import asyncio
from itertools import count

import pytest

from gateway.ingestion.committing import LARGE_ENVELOPE_BYTES
from gateway.ingestion.door import LARGE_A_TURN, LARGE_BATCH_EVENTS
from gateway.ingestion.requests import batch_of
from tests.gateway.ingestion.examples import BACKEND, MakeDoor, event, publish
from tests.gateway.ingestion.scripted_log import ScriptedLog


async def test_isolated_a_flood_of_large_batches_lets_a_small_one_in_between(
    make_door: MakeDoor,
) -> None:
    door = make_door()
    taken: list[int] = []

    async def flood(number: int) -> None:
        batch = batch_of([event(number * 1000 + n) for n in range(LARGE_BATCH_EVENTS + 1)])
        await door.turn(batch)
        taken.append(number)
        await door.take(BACKEND, batch).results()

    floods = [asyncio.create_task(flood(number)) for number in range(20 * LARGE_A_TURN)]
    await asyncio.sleep(0)
    assert len(taken) == LARGE_A_TURN
    small = batch_of([event(1, type="merging", merge_key="of another lane")])
    await door.turn(small)
    await asyncio.wait_for(door.take(BACKEND, small).results(), 10)
    before = len(taken)
    await asyncio.gather(*floods)
    assert before < len(floods)
    assert taken == list(range(len(floods)))


@pytest.mark.parametrize(
    ("payload_bytes", "others"),
    [(LARGE_ENVELOPE_BYTES, [["e-1", "e-2"]]), (100, [["e-1"], ["e-2"]])],
)
async def test_a_shard_rests_behind_a_large_envelope_that_the_log_took_long_for(
    log: ScriptedLog, make_door: MakeDoor, payload_bytes: int, others: list[list[str]]
) -> None:
    # Every look at the clock is a tenth of a second later.
    seconds = count(0, 0.1)
    door = make_door(now_s=lambda: next(seconds), deadline_s=60)
    log.gate.clear()
    told = [asyncio.create_task(publish(door, event(0, payload=bytes(payload_bytes))))]
    while not log.attempts:
        await asyncio.sleep(0)
    told.append(asyncio.create_task(publish(door, event(1))))
    await asyncio.sleep(0)
    log.gate.set()
    if payload_bytes < LARGE_ENVELOPE_BYTES:
        await asyncio.wait(told)
    else:
        await told[0]
    told.append(asyncio.create_task(publish(door, event(2))))
    await asyncio.wait(told)
    assert log.ids_by_envelope() == [["e-0"], *others]
