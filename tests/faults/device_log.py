"""What a device of a run is told, written down as its op log has it; and by which habits it keeps its cursor."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.devices.cursor import Cursor, owner_of
from reno.domain.identity import Device
from reno.domain.member import NO_TENANT
from reno.domain.priority import LANES
from reno.v1.notification_pb2 import Gap, Notification
from reno.v1.notification_service_pb2 import (
    START_AT_ACKNOWLEDGED,
    START_AT_LATEST,
    START_AT_START,
    StartAt,
)
from tests.faults.calls import as_device
from tests.faults.oplog import VIA, OpLog, clocks

WRONG_CLOCK_MS = 1_800_000
STARTS: dict[str, StartAt.ValueType] = {
    "start": START_AT_START,
    "latest": START_AT_LATEST,
    "ack": START_AT_ACKNOWLEDGED,
    "cursor": START_AT_ACKNOWLEDGED,
}


@dataclass(frozen=True, slots=True)
class Habits:
    """How a device behaves. `keeps_every`: frames between two cursors kept. `forgets`: how often it comes back with the one kept last, and not with the newest that it
    had. `stays_s` and `away_s`: it leaves by itself, if they are set. `stalls_s`: it stops to read for so long now and then."""

    start: str = "start"
    keeps_every: int = 1
    forgets: float = 0.0
    stays_s: tuple[float, float] | None = None
    away_s: tuple[float, float] = (0.2, 0.5)
    stalls_s: float = 0.0
    page_size: int = 0
    is_told_by_server: bool = False
    """It keeps no cursor: it acknowledges every frame, and comes back without one."""


@dataclass(slots=True)
class Tally:
    """What happened to a device, counted: opened, frames, and streams that ended, by reason."""

    counts: Counter[str] = field(default_factory=Counter)
    caught_up: int = 0


class DeviceLog:
    """What both kinds of devices write down, and where they stand."""

    def __init__(
        self,
        directory: Path,
        name: str,
        member: str,
        device: str,
        device_class: str,
        habits: Habits,
    ) -> None:
        self.name = name
        self.member, self.device, self.device_class = member, device, device_class
        self.habits = habits
        self.tally = Tally()
        self.seen: set[str] = set()
        self.saw: Callable[[str], None] | None = None
        """Told of every notification's id."""
        self.random = random.Random(f"{name}/{member}/{device}")
        self.metadata = as_device(member, device, device_class)
        self._owner = owner_of(Device(NO_TENANT, member, device, device_class))
        self._log = OpLog(directory, f"read-{name}")
        self._log.line(f"H {member} {device} {device_class}")
        self._kept = ""
        self._newest = ""
        self._frames = 0

    def opens(self, where: str) -> tuple[str, StartAt.ValueType]:
        """The cursor and the start to ask for."""
        if self._newest != self._kept and self.random.random() >= self.habits.forgets:
            self.keep()
        self._newest = self._kept
        how = "cursor" if self._kept else self.habits.start
        if self.habits.is_told_by_server:
            how = "ack"
        self._log.line(f"O {clocks()} {how} {where}")
        self.tally.counts["opened"] += 1
        return "" if how == "ack" else self._kept, STARTS[how]

    def keep(self) -> None:
        self._kept = self._newest
        self._log.line(f"K {clocks()}")

    @property
    def cursor(self) -> str:
        return self._newest

    def ended(self, why: str) -> None:
        self.tally.counts[why] += 1
        self._log.line(f"X {clocks()} {why}")

    def frame(self, frame: Any, *, caught_up: bool) -> None:
        """A SubscribeResponse or a PullResponse."""
        if not frame.cursor:
            return
        opened = Cursor.parse(frame.cursor)
        said = ("c", caught_up), ("m", frame.missing), ("f", opened.owner != self._owner)
        flags = "".join(flag for flag, holds in said if holds)
        high, medium, low = (opened.positions[lane] for lane in LANES)
        write = self._log.line
        write(f"F {clocks()} {opened.issued_at_ms} {high} {medium} {low} {flags or '-'}")
        if frame.HasField("gap"):
            write(_gap(frame.gap))
        for one in frame.notifications:
            self._row(one)
        self._newest = frame.cursor
        self._frames += 1
        self.tally.counts["frames"] += 1
        if abs(opened.issued_at_ms - time.time() * 1000) > WRONG_CLOCK_MS:
            self.tally.counts["wrong clock"] += 1
        self.tally.caught_up += caught_up
        if self._frames % self.habits.keeps_every == 0:
            self.keep()

    def _row(self, one: Notification) -> None:
        self._log.line(
            f"{VIA[one.via]} {one.event_id} {int(one.priority)} {one.position} {one.merged}"
        )
        if one.payload.partition(b" ")[0] != one.event_id.encode():
            self._log.line(f"Z {one.event_id}")
        self.seen.add(one.event_id)
        if self.saw is not None:
            self.saw(one.event_id)

    def close(self) -> None:
        self._log.close()


def _gap(gap: Gap) -> str:
    reason = Gap.Reason.Name(gap.reason).removeprefix("REASON_")
    lanes = "".join(str(int(lane)) for lane in gap.priorities)
    since_ms = gap.complete_since.ToMilliseconds() if gap.HasField("complete_since") else 0
    return f"G {reason} {lanes or '123'} {since_ms}"
