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

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        """See PresenceLookup. A member whom the replica asked does not know yet is not located: its gateway makes the sessions read when it has attached."""
        ends_s = asyncio.get_running_loop().time() + timeout_s
        parts = [
            member_keys[start : start + MAX_MEMBERS]
            for start in range(0, len(member_keys), MAX_MEMBERS)
        ]
        located = Located()
        for found in await asyncio.gather(*(self._ask(part, ends_s) for part in parts)):
            for gateway, keys in found.items():
                located.by_gateway.setdefault(gateway, set()).update(keys)
        return located

    async def close(self) -> None:
        """Lookups in flight fail."""
        for channel in self._channels:
            await channel.close()

    async def _ask(
        self, member_keys: Sequence[bytes], ends_s: float
    ) -> dict[GatewayAddress, set[bytes]]:
        request = LookupRequest(member_keys=member_keys)
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
                found = _by_gateway(answer, member_keys)
            except grpc.aio.AioRpcError as error:
                why = f"{self._addresses[index]}: {error.code().name} {error.details()}"
            except _NoAnswer as error:
                why = f"{self._addresses[index]}: {error}"
            else:
                self._avoided_until_s[index] = 0.0
                return found
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


class _NoAnswer(Exception):
    """A response that says nothing of the members asked for."""


def _by_gateway(
    answer: LookupResponse, member_keys: Sequence[bytes]
) -> dict[GatewayAddress, set[bytes]]:
    """Touches only who is online. Raises _NoAnswer."""
    if not answer.others:
        raise _NoAnswer("did not answer for the members")
    gateways = [
        GatewayAddress(gateway.gateway_id, gateway.epoch, gateway.address)
        for gateway in answer.gateways
    ]
    found: dict[GatewayAddress, set[bytes]] = {gateway: set() for gateway in gateways}
    try:
        for online in answer.members:
            key = member_keys[online.member]
            for session in online.sessions:
                found[gateways[session.gateway]].add(key)
    except IndexError as error:
        raise _NoAnswer("answered with an index out of range") from error
    return found
