"""Asks presence where members are, over gRPC."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc

from reno.adapters.channels import open_channel
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import GatewayAddress, Located
from reno.v1.lease_service_pb2 import LookupRequest, LookupResponse
from reno.v1.lease_service_pb2_grpc import LeaseServiceStub

if TYPE_CHECKING:
    from reno.v1.lease_service_pb2_grpc import LeaseServiceAsyncStub

MAX_MEMBERS = 5000
"""Of one request; more members are asked for in several."""

AVOIDED_S = 1.0
"""A replica that did not answer is asked last for this long."""


class PresenceClient:
    """Implements reno.ports.PresenceLookup over one or more replicas, each of which knows every gateway."""

    def __init__(self, addresses: Sequence[str]) -> None:
        if not addresses:
            raise ValueError("no presence replica")
        self._addresses = tuple(addresses)
        self._channels: list[grpc.aio.Channel] = []
        self._stubs: list[LeaseServiceAsyncStub] = []
        self._avoided_until_s = [0.0] * len(self._addresses)
        self._turn = 0

    async def lookup(self, tenant: str, member_ids: Sequence[str], timeout_s: float) -> Located:
        """See PresenceLookup. A member whom the replica asked does not know yet is not located: its gateway makes the sessions read when it has attached."""
        ends_s = asyncio.get_running_loop().time() + timeout_s
        parts = [
            member_ids[start : start + MAX_MEMBERS]
            for start in range(0, len(member_ids), MAX_MEMBERS)
        ]
        located = Located()
        for part, answer in zip(
            parts,
            await asyncio.gather(*(self._ask(tenant, part, ends_s) for part in parts)),
            strict=True,
        ):
            _add(located, part, answer)
        return located

    async def close(self) -> None:
        """Lookups in flight fail."""
        for channel in self._channels:
            await channel.close()

    async def _ask(self, tenant: str, member_ids: Sequence[str], ends_s: float) -> LookupResponse:
        request = LookupRequest(tenant=tenant, member_ids=member_ids)
        order = self._order()
        clock_s = asyncio.get_running_loop().time
        why = "no time left"
        for asked, index in enumerate(order):
            # Each gets its share of the time, so that a silent one leaves some for the next.
            share_s = (ends_s - clock_s()) / (len(order) - asked)
            if share_s <= 0:
                break
            try:
                answer = await self._stubs[index].Lookup(request, timeout=share_s)
            except grpc.aio.AioRpcError as error:
                why = f"{self._addresses[index]}: {error.code().name} {error.details()}"
            else:
                if len(answer.members) == len(member_ids):
                    self._avoided_until_s[index] = 0.0
                    return answer
                why = f"{self._addresses[index]}: answered for {len(answer.members)} members"
            self._avoided_until_s[index] = clock_s() + AVOIDED_S
        raise Unavailable(Reason.NOT_READY, f"presence does not answer: {why}")

    def _order(self) -> list[int]:
        """Round robin, those that failed lately last."""
        if not self._stubs:
            self._channels = [open_channel(address) for address in self._addresses]
            self._stubs = [LeaseServiceStub(channel) for channel in self._channels]
        count = len(self._stubs)
        now_s = asyncio.get_running_loop().time()
        self._turn = (self._turn + 1) % count
        turns = [(self._turn + step) % count for step in range(count)]
        return sorted(turns, key=lambda index: self._avoided_until_s[index] > now_s)


def _add(located: Located, member_ids: Sequence[str], answer: LookupResponse) -> None:
    gateways = [
        located.by_gateway.setdefault(
            GatewayAddress(gateway.gateway_id, gateway.epoch, gateway.address), set()
        )
        for gateway in answer.gateways
    ]
    for member_id, member in zip(member_ids, answer.members, strict=True):
        for session in member.sessions:
            gateways[session.gateway].add(member_id)
