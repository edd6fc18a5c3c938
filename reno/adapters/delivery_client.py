"""Hands rows to gateways, over gRPC."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from reno.adapters.channels import open_channel
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import DeliveryRow, GatewayAddress, Shard
from reno.v1.delivery_service_pb2 import DeliverRequest, Delivery
from reno.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from reno.v1.event_pb2 import Priority as PriorityProto

if TYPE_CHECKING:
    from reno.v1.delivery_service_pb2_grpc import DeliveryServiceAsyncStub

UNUSED_S = 60.0
"""A channel that was not used for so long is closed: its gateway has gone, or has nobody."""


@dataclass(slots=True)
class _Line:
    channel: grpc.aio.Channel
    stub: "DeliveryServiceAsyncStub"
    calls: int
    used_at_s: float


class DeliveryClient:
    """Implements reno.ports.Deliverer; one channel an address, for all shards."""

    def __init__(self, unused_s: float = UNUSED_S) -> None:
        self._unused_s = unused_s
        self._lines: dict[str, _Line] = {}
        self._swept_at_s = 0.0

    @property
    def open_channels(self) -> int:
        """One an address."""
        return len(self._lines)

    async def deliver(
        self,
        gateway: GatewayAddress,
        shard: Shard,
        rows: Sequence[DeliveryRow],
        *,
        resync: bool,
        timeout_s: float,
    ) -> None:
        """See Deliverer. Whatever else goes wrong at the gateway counts as no answer: it must not stop the others."""
        now_s = asyncio.get_running_loop().time()
        line = self._line(gateway.address, now_s)
        request = DeliverRequest(
            gateway_epoch=gateway.epoch,
            priority=PriorityProto.ValueType(shard.priority),
            shard=shard.number,
            shards=shard.shards,
            resync=resync,
            deliveries=[
                Delivery(position=row.position, previous=row.previous, row=row.row) for row in rows
            ],
        )
        line.calls += 1
        try:
            await line.stub.Deliver(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            said = f"{error.code().name} {error.details()}"
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise WrongState(Reason.FENCED, f"{gateway.address}: {said}") from error
            raise Unavailable(Reason.NOT_READY, f"{gateway.address}: {said}") from error
        finally:
            line.calls -= 1
            line.used_at_s = now_s
        await self._close_unused(now_s)

    async def close(self) -> None:
        """Calls in flight fail."""
        while self._lines:
            _, line = self._lines.popitem()
            await line.channel.close()

    def _line(self, address: str, now_s: float) -> _Line:
        line = self._lines.get(address)
        if line is None:
            channel = open_channel(address)
            line = _Line(channel, DeliveryServiceStub(channel), 0, now_s)
            self._lines[address] = line
        return line

    async def _close_unused(self, now_s: float) -> None:
        if now_s - self._swept_at_s < self._unused_s / 4:
            return
        self._swept_at_s = now_s
        for address, line in list(self._lines.items()):
            if line.calls == 0 and now_s - line.used_at_s >= self._unused_s:
                del self._lines[address]
                await line.channel.close()
