"""One presence replica's side of a gateway: a stream that is opened again for ever."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

import grpc
import structlog

from reno.adapters.channels import open_channel
from reno.adapters.untold_sessions import UntoldSessions
from reno.domain.reason import Reason
from reno.errors import WrongState
from reno.ports import GatewayAddress, SessionPlace
from reno.v1.lease_service_pb2 import AttachRequest, AttachResponse, GatewayHello, SessionBegan
from reno.v1.lease_service_pb2_grpc import LeaseServiceStub

_log = structlog.get_logger("reno.attachments")

MAX_SESSIONS_PER_REQUEST = 1_000
MIN_BACKOFF_S = 0.1
MAX_BACKOFF_S = 1.0
FIRST_ANSWER_TIMEOUT_S = 5.0

Held = Callable[[], Iterable[SessionPlace]]
OnKnown = Callable[[Collection[int], bool], None]
Call = grpc.aio.StreamStreamCall[AttachRequest, AttachResponse]


class Attachment:
    """Runs until `stop` was called; raises WrongState (FENCED) when a newer epoch of the gateway is attached."""

    def __init__(
        self,
        address: str,
        gateway: GatewayAddress,
        held: Held,
        on_known: OnKnown,
        *,
        is_late: bool = False,
    ) -> None:
        """`is_late`: sessions may have been looked up at this replica before it could know them."""
        self._address = address
        self._gateway = gateway
        self._held = held
        self._on_known = on_known
        self._untold: UntoldSessions | None = None
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tried = is_late
        self._backoff_s = MIN_BACKOFF_S

    def began(self, place: SessionPlace) -> bool:
        """False: it is not attached, and there is nothing to do, since the next attachment begins with what is held."""
        if self._untold is None:
            return False
        self._untold.began(place)
        self._changed.set()
        return True

    def ended(self, number: int) -> None:
        """As began."""
        if self._untold is not None:
            self._untold.ended(number)
            self._changed.set()

    def stop(self) -> None:
        """Says goodbye where it is attached; `run` returns soon after, or hangs with a replica that does not read."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Attaches, and again after every break."""
        async with open_channel(self._address) as channel:
            stub = LeaseServiceStub(channel)
            while not self._stopping.is_set():
                call = stub.Attach()
                try:
                    await self._attached(call)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError) as error:
                    await self._broke(call, error)
                finally:
                    call.cancel()
                    self._untold = None
                    self._tried = True
                await self._back_off()

    async def _attached(self, call: Call) -> None:
        """Returns when the replica ended the stream in peace; raises why it broke."""
        hello = GatewayHello(
            gateway_id=self._gateway.gateway_id,
            epoch=self._gateway.epoch,
            address=self._gateway.address,
        )
        async with asyncio.timeout(FIRST_ANSWER_TIMEOUT_S):
            await call.write(AttachRequest(sequence=1, hello=hello))
            answer = await _read(call)
        if answer is None:
            return
        lease_s = answer.lease_ms / 1000
        self._untold = untold = UntoldSessions(self._held(), again=self._tried)
        _log.info("attached", replica=self._address, again=self._tried)
        sides = [
            asyncio.create_task(self._tell(call, untold, lease_s)),
            asyncio.create_task(self._hear(call, untold, lease_s)),
        ]
        try:
            # A side whose time is up cancels the call, which the other side sees as being cancelled itself.
            done, _ = await asyncio.wait(sides, return_when=asyncio.FIRST_EXCEPTION)
            for side in done:
                if not side.cancelled():
                    side.result()
        finally:
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)

    async def _tell(self, call: Call, untold: UntoldSessions, lease_s: float) -> None:
        clock_s = asyncio.get_running_loop().time
        sequence, said_s = 1, clock_s()
        while not self._stopping.is_set():
            self._changed.clear()
            told = untold.take(sequence + 1, MAX_SESSIONS_PER_REQUEST)
            # Below the third of a lease that is asked for, so that a late timer does no harm.
            if told is None and await self._changes_before(said_s + lease_s / 4):
                continue
            sequence, said_s = sequence + 1, clock_s()
            request = AttachRequest(sequence=sequence)
            if told is not None:
                request.began.extend(_began(place) for place in told.began)
                request.ended.extend(told.ended)
                request.snapshot_complete = told.snapshot_complete
            await call.write(request)
        await call.write(AttachRequest(sequence=sequence + 1, goodbye=True))
        await call.done_writing()

    async def _changes_before(self, when_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(when_s):
                return await self._changed.wait()
        return False

    async def _hear(self, call: Call, untold: UntoldSessions, lease_s: float) -> None:
        while True:
            # Every request is answered, so silence for a lease means that nobody knows our sessions any more.
            async with asyncio.timeout(lease_s):
                answer = await _read(call)
            if answer is None:
                if self._stopping.is_set():
                    return
                raise asyncio.InvalidStateError("the replica ended the stream")
            confirmed = untold.confirm(answer.through_sequence)
            self._changed.set()
            if confirmed.fresh:
                self._on_known(confirmed.fresh, False)
            if confirmed.again:
                self._on_known(confirmed.again, True)
            if untold.settled:
                self._backoff_s = MIN_BACKOFF_S

    async def _broke(self, call: Call, error: Exception) -> None:
        # A write to an ended call does not say why it ended; the call does.
        code = await call.code() if call.done() else None
        why = await call.details() if call.done() else str(error)
        level = _log.warning if self._untold is not None else _log.debug
        level("not attached", replica=self._address, code=code and code.name, why=why)
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            _log.error("fenced", replica=self._address, gateway=self._gateway.gateway_id)
            raise WrongState(
                Reason.FENCED,
                f"{self._address}: a newer epoch of {self._gateway.gateway_id} is attached",
            ) from error

    async def _back_off(self) -> None:
        self._backoff_s = min(2 * self._backoff_s, MAX_BACKOFF_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(MIN_BACKOFF_S, self._backoff_s)):
                await self._stopping.wait()


async def _read(call: Call) -> AttachResponse | None:
    answer: Any = await call.read()
    return None if answer is grpc.aio.EOF else answer


def _began(place: SessionPlace) -> SessionBegan:
    return SessionBegan(
        number=place.number,
        tenant=place.tenant,
        member_id=place.member_id,
        device_id=place.device_id,
        device_class=place.device_class,
    )
