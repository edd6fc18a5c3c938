"""A gateway's side of the lease door, by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from reno.domain.member import member_key
from reno.v1.lease_service_pb2 import (
    AttachRequest,
    AttachResponse,
    GatewayHello,
    LookupRequest,
    LookupResponse,
    SessionBegan,
    SessionPlace,
)
from reno.v1.lease_service_pb2_grpc import LeaseServiceStub
from reno.v1.presence_service_pb2 import PRESENCE_STATE_ONLINE, PresenceState


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


@dataclass(frozen=True)
class Looked:
    """An answer, with a state and sessions for each member asked for."""

    gateways: list[GatewayHello]
    members: list[tuple[PresenceState.ValueType, list[SessionPlace]]]


async def look(stub: Any, members: Sequence[str]) -> Looked:
    keys = [member_key("", member) for member in members]
    response: LookupResponse = await stub.Lookup(LookupRequest(member_keys=keys))
    online = {each.member: list(each.sessions) for each in response.members}
    assert len(online) == len(response.members)
    assert all(online.values())
    return Looked(
        list(response.gateways),
        [
            (PRESENCE_STATE_ONLINE, online[index]) if index in online else (response.others, [])
            for index in range(len(keys))
        ],
    )


@asynccontextmanager
async def lease_stub(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield LeaseServiceStub(channel)
