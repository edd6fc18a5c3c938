import asyncio

import grpc
import pytest

from presence.role import PresenceRole
from reno.config.settings import PresenceSettings, ServerSettings, Settings
from reno.v1.lease_service_pb2 import AttachRequest
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_OFFLINE,
    PRESENCE_STATE_ONLINE,
    PRESENCE_STATE_UNKNOWN,
)
from tests.presence.attaching import HandAttached, began, hello, lease_stub, look
from tests.servers.presence import presence_role, presence_settings, until

LONG_LEASE = presence_settings(lease_s=60)


def internal(role: PresenceRole) -> str:
    return role.addresses["presence_internal"]


async def test_sessions_are_found_with_their_gateways_named_once() -> None:
    async with presence_role(LONG_LEASE) as role, lease_stub(internal(role)) as stub:
        one, two = HandAttached(stub), HandAttached(stub)
        answer = await one.say(hello=hello(), began=[began(1), began(2, "ben")])
        assert answer.lease_ms == 60_000
        await two.say(hello=hello(name="g2"))
        await two.say(began=[began(1, device="phone-1")], snapshot_complete=True)
        response = await look(stub, ["anna", "carl", "ben"])
        assert [gateway.gateway_id for gateway in response.gateways] == ["g1", "g2"]
        assert response.gateways[1] == hello(name="g2")
        (anna, annas), (carl, carls), (ben, bens) = response.members
        assert [(s.gateway, s.number, s.device_id, s.device_class) for s in annas] == [
            (0, 1, "tv-1", "tv"),
            (1, 1, "phone-1", "tv"),
        ]
        assert anna == ben == PRESENCE_STATE_ONLINE
        assert (carl, carls) == (PRESENCE_STATE_UNKNOWN, [])
        assert [(s.gateway, s.number) for s in bens] == [(0, 2)]


async def test_truthful_a_break_is_offline_after_the_lease_and_not_before() -> None:
    async with presence_role() as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1)], snapshot_complete=True)
        gateway.call.cancel()
        [(state, _)] = (await look(stub, ["anna"])).members
        assert state == PRESENCE_STATE_ONLINE

        async def offline() -> bool:
            [(state, _)] = (await look(stub, ["anna"])).members
            return state == PRESENCE_STATE_OFFLINE

        await until(offline)


async def test_truthful_a_goodbye_is_offline_at_once() -> None:
    async with presence_role() as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1)], snapshot_complete=True)
        await gateway.say(goodbye=True)
        [(state, _)] = (await look(stub, ["anna"])).members
        assert state in (PRESENCE_STATE_OFFLINE, PRESENCE_STATE_UNKNOWN)
        assert await gateway.ended_with() == (grpc.StatusCode.OK, "")


async def test_a_silent_gateway_is_sent_away_when_its_lease_is_over() -> None:
    async with presence_role() as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1)], snapshot_complete=True)
        code, details = await gateway.ended_with()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert details.startswith("NOT_READY")


async def test_a_newer_epoch_fences_the_older_one_even_if_it_is_silent() -> None:
    async with presence_role(LONG_LEASE) as role, lease_stub(internal(role)) as stub:
        old, new, late = HandAttached(stub), HandAttached(stub), HandAttached(stub)
        await old.say(hello=hello(1), began=[began(1)])
        await new.say(hello=hello(2))
        code, details = await old.ended_with()
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert details.startswith("FENCED")
        await late.call.write(AttachRequest(hello=hello(1)))
        assert (await late.ended_with())[0] is grpc.StatusCode.FAILED_PRECONDITION
        [(_, sessions)] = (await look(stub, ["anna"])).members
        assert not sessions


async def test_a_new_stream_of_the_same_epoch_ends_the_old_one_and_keeps_the_sessions() -> None:
    async with presence_role(LONG_LEASE) as role, lease_stub(internal(role)) as stub:
        old, new = HandAttached(stub), HandAttached(stub)
        await old.say(hello=hello(), began=[began(1), began(2)], snapshot_complete=True)
        await new.say(hello=hello(), began=[began(2)])
        assert (await old.ended_with())[0] is grpc.StatusCode.UNAVAILABLE
        [(_, sessions)] = (await look(stub, ["anna"])).members
        assert [session.number for session in sessions] == [1, 2]
        await new.say(snapshot_complete=True)
        [(_, sessions)] = (await look(stub, ["anna"])).members
        assert [session.number for session in sessions] == [2]


@pytest.mark.parametrize(
    "first",
    [AttachRequest(), AttachRequest(hello=hello(epoch=0)), AttachRequest(hello=hello(name=""))],
)
async def test_the_first_request_must_say_who_attaches(first: AttachRequest) -> None:
    async with presence_role() as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.call.write(first)
        code, details = await gateway.ended_with()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert details.startswith("INVALID")


async def test_hello_comes_once() -> None:
    async with presence_role() as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello())
        await gateway.call.write(AttachRequest(hello=hello()))
        assert (await gateway.ended_with())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_bounded_sessions_and_members_have_limits() -> None:
    settings = Settings(
        presence=PresenceSettings(
            listen="127.0.0.1:0",
            listen_internal="127.0.0.1:0",
            max_sessions=2,
            max_lookup_members=3,
        ),
        server=ServerSettings(drain_s=0.5),
    )
    async with presence_role(settings) as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1), began(2)])
        await gateway.call.write(AttachRequest(began=[began(3)]))
        code, details = await gateway.ended_with()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details.startswith("FULL")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await look(stub, ["a", "b", "c", "d"])
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_draining_ends_the_streams_and_refuses_what_comes() -> None:
    async with presence_role(LONG_LEASE) as role, lease_stub(internal(role)) as stub:
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1)])
        draining = asyncio.create_task(role.drain())
        code, details = await gateway.ended_with()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert details.startswith("DRAINING")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await look(stub, ["anna"])
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        await draining
