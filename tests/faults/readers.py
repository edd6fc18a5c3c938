"""Devices of a run: subscribers and pullers that keep their cursors as they please, and write down everything that they are told."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from reno.v1.notification_service_pb2 import AcknowledgeRequest, PullRequest, SubscribeRequest
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.faults.calls import FAILURES_THAT_PASS, connected
from tests.faults.device_log import DeviceLog
from tests.faults.layout import SLACK_S

if TYPE_CHECKING:
    from reno.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub

TRY_AGAIN_S = 0.1
LONG_AWAY = "LONG AWAY"
"""Counted when a device comes back after more than SLACK_S: only with such a one can the checker see that it was told too early that it is current."""

REPLACED_S = 0.4
"""Before it replaces the one that has replaced it."""

CALL_TIMEOUT_S = 5.0
STALLS_AFTER = 40
"""Notifications, of a device that stops to read now and then."""

SMALL_WINDOW = ("grpc.http2.lookahead_bytes", 16 * 1024), ("grpc.http2.bdp_probe", 0)
"""A device's that stops to read: little is under way to it."""


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
                    away_s = self.log.random.uniform(*self.log.habits.away_s)
                    if await self._pause(away_s) and away_s > SLACK_S:
                        self.log.tally.counts[LONG_AWAY] += 1

    async def _pause(self, seconds: float) -> bool:
        """False: it was told to stay before they were over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stays.wait()
        return not self._stays.is_set()

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
