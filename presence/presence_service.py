"""PresenceService: who is online, for backends and operators."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import protovalidate
from google.protobuf.message import Message

from presence.lease_table import LeaseTable
from presence.watches import OpenWatch, Watches
from presence.watching import Told
from reno.config.settings import PresenceSettings
from reno.domain.member import member_key
from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, TryLater, Unavailable
from reno.server.identity import current_backend
from reno.server.interceptor import Context
from reno.v1.presence_service_pb2 import (
    GetPresenceRequest,
    GetPresenceResponse,
    MemberPresence,
    WatchRequest,
    WatchResponse,
)
from reno.v1.presence_service_pb2 import PresenceState as PresenceStateProto
from reno.v1.presence_service_pb2_grpc import PresenceServiceServicer
from reno.wire.clock import duration
from reno.wire.rules import words_of

ALIVE_MARGIN = 0.9
"""Of the interval: a frame comes at least that often, also when the loop is late."""


class PresenceService(PresenceServiceServicer):
    """One replica's public door."""

    def __init__(
        self,
        table: LeaseTable,
        watches: Watches,
        clock_ms: Callable[[], int],
        settings: PresenceSettings,
    ) -> None:
        self._table = table
        self._watches = watches
        self._clock_ms = clock_ms
        self._settings = settings
        self._endings: set[asyncio.Future[RenoError]] = set()
        self._draining = False

    async def GetPresence(
        self, request: GetPresenceRequest, _context: Context
    ) -> GetPresenceResponse:
        """Of the caller's tenant."""
        self._refuse_when_draining()
        _check(request)
        tenant = current_backend().tenant
        keys = [member_key(tenant, member_id) for member_id in request.member_ids]
        response = GetPresenceResponse()
        found = self._table.lookup(keys, self._clock_ms())
        for member_id, (state, sessions) in zip(request.member_ids, found, strict=True):
            member = response.members.add(member_id=member_id, state=state)
            for session in sessions:
                member.devices.add(
                    device_id=session.device_id,
                    device_class=session.device_class,
                    gateway_id=session.gateway.gateway_id,
                )
        return response

    async def Watch(self, request: WatchRequest, context: Context) -> AsyncIterator[WatchResponse]:
        """Of the caller's tenant; see presence_service.proto."""
        self._refuse_when_draining()
        _check(request)
        tenant = current_backend().tenant
        members = {member_key(tenant, member_id): member_id for member_id in request.member_ids}
        watch, first = self._watches.open(members)
        loop = asyncio.get_running_loop()
        ending: asyncio.Future[RenoError] = loop.create_future()
        self._endings.add(ending)
        life_s = self._settings.watch_life_s * random.uniform(0.8, 1.2)
        over = loop.call_later(life_s, _end, ending, _draining("this watch ends: open it again"))
        telling = asyncio.create_task(self._tell(watch, first, ending, context))
        try:
            # A write that blocks cannot be left from within (grpc #29248): the call ends beside it.
            either: set[asyncio.Future[Any]] = {telling, ending}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise ending.result()
            telling.result()
        finally:
            over.cancel()
            ending.cancel()
            self._endings.discard(ending)
            self._watches.close(watch)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        yield WatchResponse()  # never reached: frames are written by the task

    def drain(self) -> None:
        """Ends every watch with UNAVAILABLE (DRAINING), and refuses what comes."""
        self._draining = True
        for ending in self._endings:
            _end(ending, _draining())

    def _refuse_when_draining(self) -> None:
        if self._draining:
            raise _draining()

    async def _tell(
        self,
        watch: OpenWatch,
        first: Sequence[Told],
        ending: "asyncio.Future[RenoError]",
        context: Any,
    ) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        # Or it would go with the first frame, and a call cannot be ended while that waits for its reader.
        await context.send_initial_metadata(())
        frame = WatchResponse(
            members=map(_member, first), alive_interval=duration(settings.watch_alive_s)
        )
        while True:
            stalled = loop.call_later(settings.watch_stalled_after_s, _end, ending, self._stalled())
            try:
                await context.write(frame)
            finally:
                stalled.cancel()
            alive_at = loop.time() + settings.watch_alive_s * ALIVE_MARGIN
            news: list[Told] = []
            while not news and loop.time() < alive_at:
                try:
                    async with asyncio.timeout_at(alive_at):
                        await watch.woken.wait()
                except TimeoutError:
                    break
                news = watch.news()
            frame = WatchResponse(members=map(_member, news))

    def _stalled(self) -> TryLater:
        return TryLater(
            Reason.STALLED, "the watcher does not read", retry_after_s=self._settings.lease_s
        )


def _end(ending: "asyncio.Future[RenoError]", error: RenoError) -> None:
    if not ending.done():
        ending.set_result(error)


def _draining(message: str = "this replica is going away") -> Unavailable:
    return Unavailable(Reason.DRAINING, message)


def _member(told: Told) -> MemberPresence:
    state = PresenceStateProto.ValueType(told.state)
    member = MemberPresence(member_id=told.member_id, state=state)
    for device_id, places in sorted(told.devices.items()):
        for device_class, gateway_id in places:
            member.devices.add(
                device_id=device_id, device_class=device_class, gateway_id=gateway_id
            )
    return member


def _check(request: Message) -> None:
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        violation = error.violations[0]
        at = violation.proto.field
        path = at.elements if at else []
        field = ".".join(
            f"{part.field_name}[{part.subscript.value}]" if part.subscript else part.field_name
            for part in path
        )
        raise CallerFault(Reason.INVALID, words_of(violation), field=field) from error
