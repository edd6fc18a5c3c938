"""Promise: Bounded. What a resync or a new attachment asks of a gateway is spread."""

from collections import Counter

from gateway.devices.looking import TICK_S, Looking
from gateway.devices.registry import Registry
from gateway.devices.view import RowView
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority
from tests.gateway.devices.surroundings import eventually

PER_TICK = 10
PER_S = int(PER_TICK / TICK_S)


class HeldSession:
    def __init__(self, number: int) -> None:
        self.number = number
        self.device = Device("", f"member-{number}", "d", "tv")
        self.looked: Counter[Priority] = Counter()

    def deliver(self, priority: Priority, row: RowView, previous: int | None) -> None:
        raise AssertionError

    def look(self, priority: Priority) -> None:
        self.looked[priority] += 1

    def known(self) -> None:
        raise AssertionError

    def replace(self) -> None:
        raise AssertionError

    def leave(self, delay_s: float) -> None:
        raise AssertionError


def some_sessions(registry: Registry, count: int) -> list[HeldSession]:
    sessions = [HeldSession(registry.admit(Device("", "m", "d", "tv"))) for _ in range(count)]
    for session in sessions:
        registry.add(session)
    return sessions


async def test_a_lane_looks_once_for_all_that_is_said_of_it_and_few_at_a_time() -> None:
    registry = Registry(1000, 1000)
    sessions = some_sessions(registry, 5 * PER_TICK)
    looking = Looking(registry, PER_S, lambda _priority, _device: False)
    for _ in range(20):
        looking.soon([session.number for session in sessions], [Priority.LOW])
    assert sum(session.looked.total() for session in sessions) == PER_TICK
    registry.remove(sessions.pop())
    await eventually(lambda: sum(session.looked.total() for session in sessions) == 49)
    assert all(session.looked == {Priority.LOW: 1} for session in sessions[PER_TICK:])
    # Those that had looked were named again.
    looking.soon([session.number for session in sessions])
    await eventually(lambda: all(session.looked.keys() == set(LANES) for session in sessions))


async def test_isolated_an_inbox_that_is_busy_is_left_alone_and_the_others_are_not() -> None:
    registry = Registry(1000, 1000)
    busy, *others = some_sessions(registry, PER_TICK + 3)
    occupied = {busy.device}
    looking = Looking(registry, PER_S, lambda _priority, device: device in occupied)
    looking.soon([busy.number, *(session.number for session in others)], [Priority.HIGH])
    await eventually(lambda: all(session.looked for session in others))
    assert not busy.looked
    occupied.clear()
    await eventually(lambda: busy.looked.total() == 1)
