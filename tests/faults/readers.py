"""Devices of a run: subscribers and pullers that keep their cursors as they please, and write down everything that they are told."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from gateway.devices.cursor import Cursor, owner_of
from reno.domain.identity import Device
from reno.domain.member import NO_TENANT
from reno.domain.priority import LANES
from reno.v1.notification_pb2 import Gap, Notification
from reno.v1.notification_service_pb2 import (
    START_AT_ACKNOWLEDGED,
    START_AT_LATEST,
    START_AT_START,
    AcknowledgeRequest,
    PullRequest,
    StartAt,
    SubscribeRequest,
)
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.faults.calls import FAILURES_THAT_PASS, as_device, connected
from tests.faults.oplog import VIA, OpLog, clocks

if TYPE_CHECKING:
    from reno.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub

TRY_AGAIN_S = 0.1
REPLACED_S = 0.4
"""Before it replaces the one that has replaced it."""

CALL_TIMEOUT_S = 5.0
STALLS_AFTER = 40
"""Notifications, of a device that stops to read now and then."""

WRONG_CLOCK_MS = 1_800_000
STARTS: dict[str, StartAt.ValueType] = {
    "start": START_AT_START,
    "latest": START_AT_LATEST,
    "ack": START_AT_ACKNOWLEDGED,
    "cursor": START_AT_ACKNOWLEDGED,
}
SMALL_WINDOW = ("grpc.http2.lookahead_bytes", 16 * 1024), ("grpc.http2.bdp_probe", 0)
"""A device's that stops to read: little is under way to it."""


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
        flags = ("c" if caught_up else "") + ("m" if frame.missing else "")
        opened = Cursor.parse(frame.cursor)
        high, medium, low = (opened.positions[lane] for lane in LANES)
        write = self._log.line
        write(f"F {clocks()} {opened.issued_at_ms} {high} {medium} {low} {flags or '-'}")
        if opened.owner != self._owner:
            write("Y")
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


class Subscriber:
    """Stays subscribed through everything, by its habits."""

    def __init__(self, log: DeviceLog, address: str, where: str, silence_s: float) -> None:
        """`where` names the gateway in the log. A stream that is silent for longer than `silence_s` is dead."""
        self.log = log
        self._address = address
        self._where = where
        self._silence_s = silence_s
        self._stays = asyncio.Event()

    def stay(self) -> None:
        """It leaves and stalls no more, and comes back soon: a run ends."""
        self._stays.set()

    async def run(self) -> None:
        """Until cancelled."""
        options = SMALL_WINDOW if self.log.habits.stalls_s else ()
        async with connected(self._address, *options) as channel:
            stub = NotificationServiceStub(channel)
            while True:
                cursor, start = self.log.opens(self._where)
                request = SubscribeRequest(cursor=cursor, start_at=start)
                why = await self._listen(stub, request)
                self.log.ended(why)
                await asyncio.sleep(REPLACED_S if why == "REPLACED" else TRY_AGAIN_S)
                if self.log.habits.stays_s is not None:
                    await self._pause(self.log.random.uniform(*self.log.habits.away_s))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stays.wait(), seconds)

    async def _listen(self, stub: "NotificationServiceAsyncStub", request: SubscribeRequest) -> str:
        """Why the stream ended."""
        call: Any = stub.Subscribe(request, metadata=self.log.metadata)
        loop, habits = asyncio.get_running_loop(), self.log.habits
        leaves_at = stalls_with = float("inf")
        if habits.stays_s and not self._stays.is_set():
            leaves_at = loop.time() + self.log.random.uniform(*habits.stays_s)
        if habits.stalls_s and not self._stays.is_set():
            stalls_with = len(self.log.seen) + STALLS_AFTER
        try:
            while (left_s := leaves_at - loop.time()) > 0:
                if len(self.log.seen) >= stalls_with:
                    await self._pause(habits.stalls_s)
                    stalls_with += STALLS_AFTER
                try:
                    async with asyncio.timeout(min(left_s, self._silence_s)):
                        frame = await call.read()
                except TimeoutError:
                    if left_s > self._silence_s:
                        return "SILENT"
                    break
                if frame is grpc.aio.EOF:
                    return "OK"
                self.log.frame(frame, caught_up=frame.caught_up)
                if habits.is_told_by_server and frame.cursor:
                    await self._acknowledge(stub, frame.cursor)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.ABORTED:
                return "REPLACED"
            if error.code() not in FAILURES_THAT_PASS:
                raise
            return "STALLED" if "does not read" in (error.details() or "") else error.code().name
        finally:
            call.cancel()
        return "LEFT"

    async def _acknowledge(self, stub: "NotificationServiceAsyncStub", cursor: str) -> None:
        try:
            await stub.Acknowledge(
                AcknowledgeRequest(cursor=cursor),
                metadata=self.log.metadata,
                timeout=CALL_TIMEOUT_S,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in FAILURES_THAT_PASS:
                raise
        else:
            self.log.tally.counts["ACKNOWLEDGED"] += 1


class Puller:
    """Never subscribes: asks every now and then."""

    def __init__(self, log: DeviceLog, address: str, where: str, every_s: float) -> None:
        self.log = log
        self._address = address
        self._where = where
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled."""
        async with connected(self._address) as channel:
            stub = NotificationServiceStub(channel)
            while True:
                await self.pull_all(stub)
                await asyncio.sleep(self._every_s)

    async def pull_all(self, stub: "NotificationServiceAsyncStub") -> None:
        """Until there is no more, or until the door does not answer."""
        cursor, start = self.log.opens(self._where)
        while True:
            try:
                page = await stub.Pull(
                    PullRequest(cursor=cursor, start_at=start, page_size=self.log.habits.page_size),
                    metadata=self.log.metadata,
                    timeout=CALL_TIMEOUT_S,
                )
            except grpc.aio.AioRpcError as error:
                if error.code() not in FAILURES_THAT_PASS:
                    raise
                self.log.ended(error.code().name)
                return
            self.log.frame(page, caught_up=False)
            cursor = self.log.cursor
            if not page.more:
                return
            if page.missing:
                await asyncio.sleep(TRY_AGAIN_S)
