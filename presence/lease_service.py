"""LeaseService: gateways attach here and say what changed, processors look members up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog

from presence.lease_table import Attachment, LeaseTable
from presence.lookup_answer import lookup_answer
from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, Unavailable, WrongState
from reno.ports import GatewayAddress, SessionPlace
from reno.server.interceptor import Context
from reno.server.turns import Turns
from reno.v1.lease_service_pb2 import (
    AttachRequest,
    AttachResponse,
    LookupRequest,
)
from reno.v1.lease_service_pb2_grpc import LeaseServiceServicer

_log = structlog.get_logger("presence")


class LeaseService(LeaseServiceServicer):
    """One replica's internal door. `clock_ms` never goes back."""

    def __init__(
        self,
        table: LeaseTable,
        clock_ms: Callable[[], int],
        *,
        lease_ms: int,
        max_lookup_members: int,
    ) -> None:
        self._table = table
        self._clock_ms = clock_ms
        self._lease_ms = lease_ms
        self._max_lookup_members = max_lookup_members
        self._streams: set[_Stream] = set()
        self._attached: dict[str, _Stream] = {}
        self._draining = False
        self._looking_up = Turns(1)
        """Gateways renew their leases between two answers."""

    async def Attach(
        self, request_iterator: AsyncIterator[AttachRequest], _context: Context
    ) -> AsyncIterator[AttachResponse]:
        """Answers each request once the table knows it; ends when a newer stream of the gateway takes over."""
        self._refuse_when_draining()
        stream = _Stream(request_iterator)
        self._streams.add(stream)
        try:
            request = await stream.next(self._lease_ms / 1000)
            gateway = _gateway(request)
            attachment = self._table.hello(gateway, self._clock_ms())
            self._take_over(gateway, stream)
            while request is not None:
                self._change(attachment, request)
                yield AttachResponse(through_sequence=request.sequence, lease_ms=self._lease_ms)
                if request.goodbye:
                    _log.info("gateway said goodbye", gateway=gateway.gateway_id)
                    return
                request = await stream.next(self._lease_ms / 1000)
                if request is not None and request.HasField("hello"):
                    raise CallerFault(
                        Reason.INVALID, "only the first request carries hello", field="hello"
                    )
        finally:
            self._streams.discard(stream)
            stream.close()
            if stream.gateway and self._attached.get(stream.gateway.gateway_id) is stream:
                del self._attached[stream.gateway.gateway_id]

    async def Lookup(self, request: LookupRequest, _context: Context) -> bytes:  # type: ignore[override]  # joined, as the server's shell allows
        """From memory: an answer waits for nothing but its turn."""
        self._refuse_when_draining()
        if len(request.member_keys) > self._max_lookup_members:
            raise CallerFault(
                Reason.TOO_LARGE,
                f"{self._max_lookup_members} members at most",
                field="member_keys",
            )
        await self._looking_up.take()
        return lookup_answer(self._table.lookup(request.member_keys, self._clock_ms()))

    def drain(self) -> None:
        """Ends every stream with UNAVAILABLE (DRAINING) and refuses what comes."""
        self._draining = True
        for stream in self._streams:
            stream.end(_draining())

    def _refuse_when_draining(self) -> None:
        if self._draining:
            raise _draining()

    def _take_over(self, gateway: GatewayAddress, stream: "_Stream") -> None:
        before = self._attached.get(gateway.gateway_id)
        if before and before.gateway and before.gateway.epoch < gateway.epoch:
            _log.warning("older epoch fenced", gateway=gateway.gateway_id)
            before.end(WrongState(Reason.FENCED, "a newer epoch of this gateway is attached"))
        elif before:
            before.end(Unavailable(Reason.NOT_READY, "a newer stream of this gateway is attached"))
        stream.gateway = gateway
        self._attached[gateway.gateway_id] = stream
        _log.info("gateway attached", gateway=gateway.gateway_id, epoch=gateway.epoch)

    def _change(self, attachment: Attachment, request: AttachRequest) -> None:
        places = (
            SessionPlace(s.number, s.tenant, s.member_id, s.device_id, s.device_class)
            for s in request.began
        )
        self._table.change(
            attachment,
            self._clock_ms(),
            began=places,
            ended=request.ended,
            snapshot_complete=request.snapshot_complete,
            goodbye=request.goodbye,
        )


class _Stream:
    """A gateway's requests, which may be ended from outside."""

    def __init__(self, requests: AsyncIterator[AttachRequest]) -> None:
        self.gateway: GatewayAddress | None = None
        self._requests = requests
        self._reading: asyncio.Task[AttachRequest | None] | None = None
        self._ending: asyncio.Future[RenoError] = asyncio.get_running_loop().create_future()

    async def next(self, timeout_s: float) -> AttachRequest | None:
        """None: the gateway closed its side. Raises what `end` was given, or Unavailable after timeout_s."""
        self._reading = asyncio.create_task(self._read())
        either: set[asyncio.Future[Any]] = {self._reading, self._ending}
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._ending.done():
            raise self._ending.result()
        if self._reading.done():
            return self._reading.result()
        raise Unavailable(Reason.NOT_READY, "no request for a whole lease: attach again")

    def end(self, error: RenoError) -> None:
        """The first error counts."""
        if not self._ending.done():
            self._ending.set_result(error)

    def close(self) -> None:
        """To be called when the call ends."""
        self._ending.cancel()
        if self._reading:
            self._reading.add_done_callback(_forget)
            self._reading.cancel()

    async def _read(self) -> AttachRequest | None:
        return await anext(self._requests, None)


def _forget(reading: asyncio.Task[AttachRequest | None]) -> None:
    # The call is over; how its last read ended says nothing more.
    if not reading.cancelled():
        reading.exception()


def _gateway(request: AttachRequest | None) -> GatewayAddress:
    if request is None or not request.HasField("hello"):
        raise CallerFault(Reason.INVALID, "the first request carries hello", field="hello")
    hello = request.hello
    if not hello.gateway_id or not hello.address or hello.epoch <= 0:
        raise CallerFault(
            Reason.INVALID, "hello needs gateway_id, address and an epoch above 0", field="hello"
        )
    return GatewayAddress(hello.gateway_id, hello.epoch, hello.address)


def _draining() -> Unavailable:
    return Unavailable(Reason.DRAINING, "this replica is going away")
