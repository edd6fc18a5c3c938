"""PresenceClient against real gRPC servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from reno.adapters.presence_client import MAX_MEMBERS, PresenceClient
from reno.errors import Unavailable
from reno.ports import GatewayAddress
from reno.v1.lease_service_pb2 import (
    GatewayHello,
    LookupRequest,
    LookupResponse,
    MemberSessions,
    SessionPlace,
)
from reno.v1.lease_service_pb2_grpc import LeaseServiceServicer, add_LeaseServiceServicer_to_server
from reno.v1.presence_service_pb2 import PRESENCE_STATE_OFFLINE, PRESENCE_STATE_UNKNOWN

G1 = GatewayHello(gateway_id="g1", epoch=7, address="h:1")


class Replica(LeaseServiceServicer):
    """Members with an even number at the end are at g1."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.silent = False
        self.says: LookupResponse | None = None
        """Instead of the truth."""
        self.address = ""

    def Attach(self, request_iterator: Any, context: Any) -> Any:
        raise NotImplementedError

    async def Lookup(self, request: LookupRequest, context: Any) -> LookupResponse:
        self.asked.append(len(request.member_keys))
        if self.silent:
            await asyncio.sleep(3600)
        if self.says is not None:
            return self.says
        return LookupResponse(
            gateways=[G1],
            members=[
                online(index)
                for index, key in enumerate(request.member_keys)
                if int(key[-1:]) % 2 == 0
            ],
            others=PRESENCE_STATE_UNKNOWN,
        )


def online(member: int, gateway: int = 0) -> MemberSessions:
    places = [SessionPlace(gateway=gateway, number=1), SessionPlace(gateway=gateway, number=2)]
    return MemberSessions(member=member, sessions=places)


@asynccontextmanager
async def replicas(count: int) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(count):
            replica = Replica()
            server = grpc.aio.server()
            add_LeaseServiceServicer_to_server(replica, server)
            replica.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            stack.push_async_callback(server.stop, None)
            started.append(replica)
        yield started


@asynccontextmanager
async def client_of(*addresses: str) -> AsyncIterator[PresenceClient]:
    client = PresenceClient(addresses)
    try:
        yield client
    finally:
        await client.close()


async def test_it_names_each_gateway_with_its_members() -> None:
    async with replicas(1) as (replica,), client_of(replica.address) as client:
        located = await client.lookup([b"\0m0", b"\0m1", b"\0m2"], 10.0)
    assert located.by_gateway == {GatewayAddress("g1", 7, "h:1"): {b"\0m0", b"\0m2"}}


async def test_many_members_are_asked_for_in_several_requests() -> None:
    async with replicas(1) as (replica,), client_of(replica.address) as client:
        members = [b"\0m%d" % number for number in range(MAX_MEMBERS + 10)]
        located = await client.lookup(members, 30.0)
        (found,) = located.by_gateway.values()
    assert sorted(replica.asked) == [10, MAX_MEMBERS]
    assert found == set(members[::2])


async def test_replicas_take_turns_and_a_silent_one_is_passed_over() -> None:
    async with replicas(2) as both, client_of(*(each.address for each in both)) as client:
        for _ in range(4):
            await client.lookup([b"\0m0"], 10.0)
        assert [len(each.asked) for each in both] == [2, 2]
        both[0].silent = True
        for _ in range(3):
            located = await client.lookup([b"\0m0"], 2.0)
            assert located.by_gateway
        assert not (await client.lookup([], 2.0)).by_gateway


@pytest.mark.parametrize(
    "says",
    [
        LookupResponse(),
        LookupResponse(gateways=[G1], members=[online(0)]),
        LookupResponse(gateways=[G1], members=[online(1)], others=PRESENCE_STATE_OFFLINE),
        LookupResponse(gateways=[G1], members=[online(2**32 - 1)], others=PRESENCE_STATE_OFFLINE),
        LookupResponse(gateways=[G1], members=[online(0, 1)], others=PRESENCE_STATE_OFFLINE),
    ],
)
async def test_a_replica_that_answers_nonsense_does_not_answer(says: LookupResponse) -> None:
    async with replicas(2) as both, client_of(*(each.address for each in both)) as client:
        both[0].says = says
        for _ in range(4):
            located = await client.lookup([b"\0m0"], 10.0)
            assert located.by_gateway == {GatewayAddress("g1", 7, "h:1"): {b"\0m0"}}
        assert both[0].asked
        both[1].says = says
        with pytest.raises(Unavailable):
            await client.lookup([b"\0m0"], 10.0)


async def test_nobody_answers() -> None:
    async with replicas(2) as both, client_of(*(each.address for each in both)) as client:
        for each in both:
            each.silent = True
        with pytest.raises(Unavailable):
            await client.lookup([b"\0m0"], 0.2)
    async with client_of(both[0].address) as client:
        with pytest.raises(Unavailable):
            await client.lookup([b"\0m0"], 5.0)
