"""What the calls of one gateway share."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import structlog

from gateway.devices.acknowledging import Acknowledging
from gateway.devices.gathering import Gathering
from gateway.devices.outbox import Budget
from gateway.devices.registry import Registry
from gateway.devices.view import RowView, view_row
from reno.config.settings import GatewaySettings
from reno.domain.outcome import Outcome
from reno.domain.priority import Priority
from reno.ports import Page, PresenceAnnouncer
from reno.server.turns import Turns
from reno.telemetry import metrics
from reno.wire.envelope import Unreadable

SESSIONS_A_TURN = 64
"""Of the event loop, that look what they have to do."""

_log = structlog.get_logger("gateway.devices")

Outcomes = Counter[tuple[Priority, Outcome]]


@dataclass(slots=True)
class Door:
    """Owned by the role."""

    settings: GatewaySettings
    inbox: Gathering
    announcer: PresenceAnnouncer
    acknowledging: Acknowledging
    registry: Registry
    budget: Budget
    is_draining: bool = field(default=False)
    starting: asyncio.Semaphore = field(init=False)
    """Held by sessions that register with presence."""
    waking: Turns = field(init=False)
    """Of sessions that have something to do: Delivers, leases and health checks come in between."""

    def __post_init__(self) -> None:
        self.waking = Turns(SESSIONS_A_TURN)
        self.starting = asyncio.Semaphore(self.settings.max_registering)


def now_ms() -> int:
    """The gateway's clock, by which PUSH and expiry are judged."""
    return time.time_ns() // 1_000_000


def parse_page(page: Page) -> list[RowView]:
    """The page's rows. One that cannot be read is left out and said in the log: it must not keep the device from all that follows."""
    rows = []
    for stored in page.rows:
        try:
            rows.append(view_row(stored.position, stored.row))
        except Unreadable as error:
            _log.error("a stored row cannot be read", position=stored.position, why=str(error))
    return rows


def count(outcomes: Outcomes) -> None:
    """To the metrics."""
    for (lane, outcome), number in outcomes.items():
        metrics.outcomes.add(number, {"outcome": outcome.name, "priority": lane.word})
