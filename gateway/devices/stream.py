"""The shell of one device's stream: waits, reads, writes frames, and ends for a reason."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

from opentelemetry.trace import SpanKind

from gateway.devices.alarm import Alarm
from gateway.devices.deadline import Deadline
from gateway.devices.door import Door, count, now_ms
from gateway.devices.lane import Verdict
from gateway.devices.reading import LaneReader
from gateway.devices.registry import place_of
from gateway.devices.session import Handed, Session
from gateway.devices.view import RowView
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import RenoError, Replaced, TryLater, Unavailable
from reno.telemetry import metrics
from reno.telemetry.traces import is_sampled, record_hop
from reno.v1.notification_service_pb2 import Reconnect, SubscribeResponse
from reno.v1.notification_service_pb2 import Session as SessionMessage
from reno.wire.clock import duration

Write = Callable[[bytes], Awaitable[None]]

CHECKPOINT_MARGIN = 0.9
"""Of the interval: a frame comes at least that often, also when the loop is late."""

LOOKS_TOGETHER_S = 0.25
"""Sessions that look within so long do it at the same moment, and share calls."""


class Stream:
    """One call of Subscribe, from its first frame to the error that it ends with."""

    def __init__(self, door: Door, session: Session, number: int, *, resumes: bool) -> None:
        self.number = number
        self.device = session.device
        self._door = door
        self._session = session
        self._resumes = resumes
        self._alarm = Alarm()
        self._stalling = Deadline(self._stalled)
        self._is_known = Alarm()
        self._unconfirmed = 0
        """Presence replicas that were told of this session and have not confirmed it."""
        self._ending: asyncio.Future[RenoError] = asyncio.get_running_loop().create_future()
        self._leave_after_s: float | None = None
        self._may_read = False
        self._readers = {lane: LaneReader(door, session, lane, self._alarm.ring) for lane in LANES}
        self._reading: dict[Priority, asyncio.Task[None]] = {}

    async def run(self, write: Write) -> NoReturn:
        """Until the call is cancelled; raises the RenoError that the stream ends with."""
        self._door.registry.add(self)
        writer = asyncio.create_task(self._write_frames(write))
        try:
            await asyncio.wait({writer, self._ending}, return_when=asyncio.FIRST_COMPLETED)
            raise self._ending.result() if self._ending.done() else writer.result()
        finally:
            self._may_read = False
            self._door.registry.remove(self)
            self._door.announcer.ended(self.number)
            tasks = [writer, *self._reading.values()]
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                self._alarm.close()
                self._stalling.close()
                # Also when the call is cancelled once more while its tasks end.
                self._session.outbox.drop_all()

    def deliver(self, priority: Priority, row: RowView, previous: int | None) -> None:
        """See registry.Held."""
        verdict = self._session.offer(priority, row, previous, now_ms())
        if verdict is Verdict.QUEUE:
            # A store-only row wakes nobody: it goes with the next frame.
            if not row.store_only:
                self._alarm.ring()
        elif verdict is Verdict.FELL_BEHIND:
            metrics.fell_behind.add(1, {"priority": priority.word, "cause": "push"})
            self._read(priority)

    def look(self, priority: Priority) -> None:
        """See registry.Held."""
        self._session.look(priority)
        self._read(priority)

    def known(self) -> None:
        """See registry.Held."""
        self._unconfirmed -= 1
        self._is_known.ring()
        for lane in LANES:
            self.look(lane)

    def replace(self) -> None:
        """See registry.Held."""
        self._end(Replaced(Reason.SESSION_REPLACED, "the same device subscribed again"))

    def leave(self, delay_s: float) -> None:
        """See registry.Held."""
        if self._leave_after_s is None:
            self._leave_after_s = delay_s
            self._alarm.ring()

    async def _write_frames(self, write: Write) -> RenoError:
        loop, settings = asyncio.get_running_loop(), self._door.settings
        ends_at = loop.time() + settings.stream_life_s * random.uniform(0.8, 1.2)
        await self._door.waking.take()
        await self._hand(write, self._first_frame())
        # Of a herd few at a time: leases are renewed, and the others told, between them.
        async with self._door.starting:
            await self._register()
            self._may_read = True
            self._read_where_wanted()
        checkpoint_every_s = settings.checkpoint_interval_s * CHECKPOINT_MARGIN
        checkpoint_at = loop.time() + checkpoint_every_s
        look_at = self._next_look()
        while True:
            now = loop.time()
            if now >= ends_at:
                self.leave(0.0)
            if self._leave_after_s is not None:
                await self._hand(write, self._farewell(self._leave_after_s))
                return Unavailable(Reason.DRAINING, "this stream ends: come back")
            if now >= look_at:
                self._session.look_round()
                self._read_where_wanted()
                look_at = self._next_look()
            handed = self._session.next_frame(now_ms(), checkpoint=now >= checkpoint_at)
            if handed is None:
                await self._alarm.wait_until(min(checkpoint_at, look_at, ends_at))
                await self._door.waking.take()
                continue
            await self._hand(write, handed)
            for reader in self._readers.values():
                reader.room_made()
            checkpoint_at = loop.time() + checkpoint_every_s

    async def _register(self) -> None:
        """Waits for the presence replicas a while: what is read before they all know the session must be read again."""
        until = asyncio.get_running_loop().time() + self._door.settings.register_wait_s
        self._unconfirmed += self._door.announcer.began(place_of(self))
        while self._unconfirmed > 0:
            if not await self._is_known.wait_until(until):
                return

    async def _hand(self, write: Write, handed: Handed) -> None:
        # The write resumes when the transport took the frame. It must not be cancelled from outside (grpc #29248), so the call is ended beside it.
        now_s = asyncio.get_running_loop().time()
        self._stalling.set(now_s + self._door.settings.stalled_after_s)
        try:
            await write(handed.frame)
        finally:
            self._stalling.clear()
        count(handed.outcomes)
        for row in handed.pushed:
            self._trace(row)

    def _first_frame(self) -> Handed:
        first = SubscribeResponse(
            session=SessionMessage(
                id=f"{self._door.settings.gateway_id}/{self.number}",
                checkpoint_interval=duration(self._door.settings.checkpoint_interval_s),
            )
        )
        handed = self._session.next_frame(now_ms(), checkpoint=True)
        assert handed is not None
        # A later part of the same message adds to the earlier one.
        frame = handed.frame if self._resumes else b""
        handed.frame = frame + first.SerializeToString()
        return handed

    def _farewell(self, delay_s: float) -> Handed:
        return Handed(
            SubscribeResponse(
                cursor=self._session.cursor(now_ms()), reconnect=Reconnect(delay=duration(delay_s))
            ).SerializeToString()
        )

    def _read_where_wanted(self) -> None:
        for lane in LANES:
            if self._session.wants_read(lane):
                self._read(lane)

    def _read(self, lane: Priority) -> None:
        running = self._reading.get(lane)
        if not self._may_read or (running is not None and not running.done()):
            return
        task = asyncio.create_task(self._readers[lane].run())
        task.add_done_callback(self._reader_ended)
        self._reading[lane] = task

    def _reader_ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self._ending.done():
            self._ending.set_exception(error)

    def _next_look(self) -> float:
        jittered = self._door.settings.look_interval_s * random.uniform(0.8, 1.2)
        at_s = asyncio.get_running_loop().time() + jittered
        return math.ceil(at_s / LOOKS_TOGETHER_S) * LOOKS_TOGETHER_S

    def _stalled(self) -> None:
        self._end(
            TryLater(
                Reason.STALLED,
                "the device does not read its stream",
                retry_after_s=self._door.settings.retry_s,
            )
        )

    def _end(self, error: RenoError) -> None:
        if not self._ending.done():
            self._ending.set_result(error)

    def _trace(self, row: RowView) -> None:
        if is_sampled(row.traceparent):
            at = time.time_ns()
            where: dict[str, str | int] = {
                "reno.device_id": self.device.device_id,
                "reno.position": row.position,
            }
            record_hop(row.traceparent, "reno.push", SpanKind.PRODUCER, at, at, where)
