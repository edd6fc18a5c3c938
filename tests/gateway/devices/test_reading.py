"""Promise: Bounded. However many sessions fall behind, few read at a time."""

import asyncio

from gateway.devices.acknowledging import Acknowledging
from gateway.devices.door import Door
from gateway.devices.gathering import CALLS_IN_FLIGHT, READS_UNDER_WAY, Gathering
from gateway.devices.outbox import Budget, Outbox
from gateway.devices.reading import LaneReader
from gateway.devices.registry import Registry
from gateway.devices.session import FrameLimits, Session
from reno.config.settings import GatewaySettings
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority
from tests.gateway.devices.surroundings import PlayedAnnouncer, eventually
from tests.gateway.devices.test_gathering import HeldInbox

LANE = Priority.HIGH
OUTBOX_BYTES = 300_000


def a_session(number: int, budget: Budget) -> Session:
    return Session(
        Device("", f"member-{number}", "d", "tv"),
        dict.fromkeys(LANES, 0),
        Outbox(100, OUTBOX_BYTES, budget),
        FrameLimits(100, 1 << 20),
    )


async def test_what_reads_under_way_may_take_does_not_grow_with_the_sessions_behind() -> None:
    inbox, settings, budget = HeldInbox(), GatewaySettings(retry_s=600), Budget(1 << 40)
    gathering = Gathering(inbox, 60)
    acknowledging = Acknowledging(gathering, 600, 10)
    registry = Registry(10_000, 10)
    door = Door(settings, gathering, PlayedAnnouncer(), acknowledging, registry, budget)
    sessions = [a_session(number, budget) for number in range(3 * READS_UNDER_WAY)]
    assert not gathering.is_busy(LANE, sessions[0].device)
    readers = [
        asyncio.create_task(LaneReader(door, session, LANE, lambda: None).run())
        for session in sessions
    ]
    await eventually(lambda: len(inbox.calls) == CALLS_IN_FLIGHT)
    assert budget.used_bytes == READS_UNDER_WAY * (OUTBOX_BYTES // len(LANES))
    assert gathering.is_busy(LANE, sessions[0].device)
    assert not gathering.is_busy(Priority.LOW, sessions[0].device)
    inbox.let_go.set()
    await asyncio.gather(*readers)
    assert all(session.lanes[LANE].is_live for session in sessions)
    assert budget.used_bytes == 0
    assert not gathering.is_busy(LANE, sessions[0].device)
