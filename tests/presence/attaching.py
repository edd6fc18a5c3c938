"""A gateway's side of the lease door, by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from reno.v1.lease_service_pb2 import (
    AttachRequest,
    AttachResponse,
    GatewayHello,
    LookupRequest,
    LookupResponse,
    SessionBegan,
)
from reno.v1.lease_service_pb2_grpc import LeaseServiceStub


class HandAttached:
    """One stream of a gateway that says only what it is told to."""

    def __init__(self, stub: Any) -> None:
        self.call = stub.Attach()
        self._sequence = 0

    async def say(self, **fields: Any) -> AttachResponse:
        self._sequence += 1
        await self.call.write(AttachRequest(sequence=self._sequence, **fields))
        answer: AttachResponse = await self.call.read()
        assert isinstance(answer, AttachResponse)
        assert answer.through_sequence == self._sequence
        return answer

    async def ended_with(self) -> tuple[grpc.StatusCode, str]:
        """Waits for the replica to end the stream."""
        return await self.call.code(), await self.call.details()


def hello(epoch: int = 1, name: str = "g1") -> GatewayHello:
    return GatewayHello(gateway_id=name, epoch=epoch, address=f"{name}:7411")


def began(number: int, member: str = "anna", device: str = "tv-1") -> SessionBegan:
    return SessionBegan(number=number, member_id=member, device_id=device, device_class="tv")


async def look(stub: Any, members: Sequence[str]) -> LookupResponse:
    response: LookupResponse = await stub.Lookup(LookupRequest(member_ids=members))
    return response


@asynccontextmanager
async def lease_stub(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield LeaseServiceStub(channel)
