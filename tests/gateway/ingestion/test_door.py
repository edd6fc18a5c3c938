import asyncio

import pytest

from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import Batch, batch_of
from gateway.ingestion.results import Results
from reno.config.lane_settings import LaneSettings, LanesSettings
from reno.domain.position import UNPLACED, parts_of, position_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, TryLater, Unavailable, WrongState
from reno.ports import LogAbsent, LogFull, LogUnconfirmed
from reno.v1.event_pb2 import Event
from reno.wire.envelope import open_envelope
from tests.gateway.ingestion.examples import BACKEND, NOW_MS, MakeDoor, at, event, publish
from tests.gateway.ingestion.scripted_log import ScriptedLog


def reasons(results: Results) -> list[Reason | None]:
    return [each.reason if isinstance(each, Refusal) else None for each in results.answers]


async def test_accepted_events_get_the_logs_positions(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door()
    results = await publish(door, event(0), event(1, type="merging", merge_key="p"), event(2))
    assert results.priorities == [Priority.HIGH, Priority.MEDIUM, Priority.HIGH]
    assert results.answers == [position_of(0, 1, 0), position_of(0, 1, 0), position_of(0, 1, 1)]
    assert not results.refused
    assert sorted(log.ids_by_envelope()) == [["e-0", "e-2"], ["e-1"]]
    assert log.attempts[0][2] == open_envelope(log.attempts[0][1]).id.hex()


async def test_what_arrives_meanwhile_is_the_next_envelope_in_order(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door(max_envelope_events=4)
    log.gate.clear()
    first = asyncio.create_task(publish(door, event(0)))
    while not log.attempts:
        await asyncio.sleep(0)
    others = [
        asyncio.create_task(publish(door, *(event(number) for number in range(start, start + 3))))
        for start in (1, 4)
    ]
    await asyncio.sleep(0)
    log.gate.set()
    results = [await first, *[await each for each in others]]
    assert log.ids_by_envelope() == [["e-0"], ["e-1", "e-2", "e-3"], ["e-4", "e-5", "e-6"]]
    positions = [answer for each in results for answer in each.answers]
    assert [parts_of(int(place))[1:] for place in positions if isinstance(place, int)] == [
        (1, 0),
        (2, 0),
        (2, 1),
        (2, 2),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert log.most_in_flight == 1


async def test_once_a_lost_answer_is_repeated_with_the_same_bytes_and_id(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    log.lost_answers = 2
    door = make_door()
    results = await publish(door, event(0), event(2))
    # A log that was started anew would have stored it twice: where it stands is not sure.
    assert results.answers == [UNPLACED, UNPLACED]
    assert len(log.attempts) == 3
    assert len({(payload, name) for _, payload, name, _ in log.attempts}) == 1
    assert (await publish(door, event(4))).answers == [position_of(0, 2, 0)]


@pytest.mark.parametrize(
    ("failures", "always", "reason"),
    [
        ([LogFull()], None, Reason.FULL),
        ([LogAbsent(), LogFull()], None, Reason.FULL),
        ([LogAbsent(), LogAbsent()], None, None),
        ([LogUnconfirmed(), LogFull(), LogAbsent()], None, None),
        ([], LogAbsent(), Reason.NOT_READY),
        ([LogUnconfirmed()], LogAbsent(), Reason.UNCERTAIN),
        ([LogUnconfirmed()], LogFull(), Reason.UNCERTAIN),
        ([], LogUnconfirmed(), Reason.UNCERTAIN),
    ],
)
async def test_failure_schedules(
    log: ScriptedLog,
    make_door: MakeDoor,
    failures: list[Exception],
    always: Exception | None,
    reason: Reason | None,
) -> None:
    log.failures.extend(failures)
    log.always = always
    door = make_door()
    assert reasons(await publish(door, event(0), event(1))) == [reason, reason]
    log.always = None
    assert reasons(await publish(door, event(2))) == [None]


async def test_bounded_what_has_no_room_is_refused_as_full_event_by_event(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door(max_waiting_bytes_per_shard=1000)
    log.gate.clear()
    waiting = [
        asyncio.create_task(publish(door, *(event(10 * batch + each) for each in range(10))))
        for batch in range(5)
    ]
    while not waiting[-1].done():
        await asyncio.sleep(0)
    log.gate.set()
    results = [await each for each in waiting]
    said = [reason for each in results for reason in reasons(each)]
    assert said.count(None) + said.count(Reason.FULL) == 50
    assert Reason.FULL in said
    refusal = results[-1].answers[-1]
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after_s == 1.0
    # Within a batch nothing of the same shard follows a refusal.
    for each in map(reasons, results):
        assert each == sorted(each, key=lambda reason: reason is not None)


async def test_a_lane_that_is_full_says_its_own_time_to_come_back(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    apart = LaneSettings(max_waiting_bytes_per_shard=1, retry_after_s=30)
    door = make_door(own=LanesSettings(high=apart, medium=apart, low=apart))
    (refusal,) = (await publish(door, event(1))).answers
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.retry_after_s) == (Reason.FULL, 30)


async def test_ordered_nothing_of_a_batch_follows_what_the_log_refused(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    """Or its caller, who repeats what was refused, would turn the order round."""
    log.failures.append(LogFull())
    door = make_door(max_envelope_events=2)
    log.gate.clear()
    batch = asyncio.create_task(publish(door, *(event(number) for number in range(5))))
    other = asyncio.create_task(publish(door, event(9)))
    await asyncio.sleep(0)
    log.gate.set()
    assert reasons(await batch) == [Reason.FULL] * 5
    assert reasons(await other) == [None]


async def test_what_waited_as_long_as_the_deadline_is_told_that_nothing_was_stored(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    now_s = [0.0]
    door = make_door(now_s=lambda: now_s[0])
    log.gate.clear()
    first = asyncio.create_task(publish(door, event(0)))
    while not log.attempts:
        await asyncio.sleep(0)
    second = asyncio.create_task(publish(door, event(1)))
    await asyncio.sleep(0)
    now_s[0] = 1.0
    third = asyncio.create_task(publish(door, event(2)))
    await asyncio.sleep(0)
    now_s[0] = 1.1
    log.gate.set()
    assert reasons(await first) == [None]
    assert reasons(await second) == [Reason.NOT_READY]
    assert reasons(await third) == [None]
    assert log.ids_by_envelope() == [["e-0"], ["e-2"]]


async def test_a_caller_who_goes_away_takes_nobody_along(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door()
    log.gate.clear()
    gone = asyncio.create_task(publish(door, event(0)))
    stays = asyncio.create_task(publish(door, event(1)))
    while not log.attempts:
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    log.gate.set()
    assert reasons(await stays) == [None]
    assert log.ids_by_envelope() == [["e-0", "e-1"]]


async def test_a_generation_that_rose_while_the_log_was_away_is_in_the_receipts(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    log.failures.append(LogAbsent())
    log.generation = 3
    results = await publish(make_door(), event(0))
    assert results.answers == [position_of(3, 1, 0)]


async def test_refusals_of_one_event_are_errors_of_its_call(make_door: MakeDoor) -> None:
    door = make_door()

    async def error_of(given: Event) -> RenoError:
        with pytest.raises(RenoError) as caught:
            await door.publish(BACKEND, given)
        return caught.value

    stale = await error_of(event(occurred_at=at(NOW_MS - 10_001)))
    assert (type(stale), stale.reason) == (WrongState, Reason.STALE)
    unknown = await error_of(event(type="unheard-of"))
    assert (type(unknown), unknown.reason, unknown.field) == (
        CallerFault,
        Reason.UNKNOWN_TYPE,
        "event.type",
    )
    receipt = await door.publish(BACKEND, event(1))
    assert (receipt.priority, receipt.position) == (Priority.HIGH, position_of(0, 1, 0))


@pytest.mark.parametrize(
    ("failure", "error"),
    [(LogFull(), TryLater), (LogAbsent(), Unavailable), (LogUnconfirmed(), Unavailable)],
)
async def test_the_logs_failures_are_errors_of_its_call(
    log: ScriptedLog, make_door: MakeDoor, failure: Exception, error: type[RenoError]
) -> None:
    log.always = failure
    with pytest.raises(error):
        await make_door().publish(BACKEND, event())
    log.always = None


async def test_batches_that_cannot_be_taken_as_a_whole(make_door: MakeDoor) -> None:
    door = make_door(max_batch_events=2, max_batch_bytes=100)
    for batch, reason in [
        (batch_of([]), Reason.INVALID),
        (batch_of([event(0), event(1), event(2)]), Reason.TOO_LARGE),
        (Batch([event(0)], [b""], size_bytes=101), Reason.TOO_LARGE),
    ]:
        with pytest.raises(CallerFault) as caught:
            door.take(BACKEND, batch)
        assert (caught.value.reason, caught.value.field) == (reason, "events")
    door.is_open = False
    with pytest.raises(Unavailable) as unavailable:
        door.take(BACKEND, batch_of([event(0)]))
    assert unavailable.value.reason is Reason.NOT_READY


async def test_durable_a_drain_answers_what_was_taken_and_takes_nothing_more(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door()
    log.gate.clear()
    taken = asyncio.create_task(publish(door, event(0)))
    while not log.attempts:
        await asyncio.sleep(0)
    draining = asyncio.create_task(door.drain())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        door.take(BACKEND, batch_of([event(1)]))
    assert caught.value.reason is Reason.DRAINING
    assert not draining.done()
    log.gate.set()
    assert reasons(await taken) == [None]
    await draining


async def test_a_writer_that_fails_is_noticed(log: ScriptedLog, make_door: MakeDoor) -> None:
    door = make_door()
    log.failures.append(ValueError("larger than the log takes"))
    pending = door.take(BACKEND, batch_of([event(0)]))
    with pytest.raises(ValueError, match="larger"):
        await asyncio.wait_for(door.wait(), 10)
    assert pending is not None


async def test_events_of_shards_that_a_lane_had_are_refused_and_repeats_go_to_those_that_it_has(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    """Also what waits behind them, in order; nothing of it was stored."""
    door = make_door(deadline_s=5.0, max_envelope_events=1)
    await log.close(Priority.HIGH, 2)
    publishing = asyncio.create_task(publish(door, event(0), event(1)))
    while not log.attempts:
        await asyncio.sleep(0.001)
    await log.open(Priority.HIGH, 2)
    assert reasons(await publishing) == [Reason.NOT_READY] * 2
    assert {shard.shards for shard, *_ in log.attempts} == {1}
    assert reasons(await publish(door, event(0), event(1))) == [None] * 2
    assert await log.waiting(Priority.HIGH) == 2


async def test_what_may_be_stored_in_a_shard_that_was_is_uncertain(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    """Once: as new it would be stored in another shard, as an envelope that nobody knows."""
    door = make_door(deadline_s=5.0)
    await log.close(Priority.HIGH, 2)
    log.failures.append(LogUnconfirmed("told to say nothing"))
    publishing = asyncio.create_task(publish(door, event(0)))
    while len(log.attempts) < 2:
        await asyncio.sleep(0.001)
    await log.open(Priority.HIGH, 2)
    assert reasons(await publishing) == [Reason.UNCERTAIN]
    assert reasons(await publish(door, event(0))) == [None]


async def test_a_closed_lane_is_not_ready_and_others_go_on(
    log: ScriptedLog, make_door: MakeDoor
) -> None:
    door = make_door()
    await log.close(Priority.HIGH, 2)
    answers = await asyncio.gather(
        publish(door, event(0)), publish(door, event(1, type="merging", merge_key="p"))
    )
    assert list(map(reasons, answers)) == [[Reason.NOT_READY], [None]]
