from collections.abc import Sequence

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presence.role import PresenceRole
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_ONLINE,
    PRESENCE_STATE_UNKNOWN,
    GetPresenceRequest,
    GetPresenceResponse,
)
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub
from tests.presence.attaching import HandAttached, began, hello, lease_stub, look
from tests.servers.presence import presence_role, presence_settings

LONG_LEASE = presence_settings(lease_s=60)


async def ask(
    role: PresenceRole, members: Sequence[str], source: str = "tests"
) -> GetPresenceResponse:
    metadata = (("reno-source", source),) if source else ()
    async with grpc.aio.insecure_channel(role.addresses["presence"]) as channel:
        stub = PresenceServiceStub(channel)
        return await stub.GetPresence(GetPresenceRequest(member_ids=members), metadata=metadata)


async def test_says_which_devices_are_online_and_where() -> None:
    async with (
        presence_role(LONG_LEASE) as role,
        lease_stub(role.addresses["presence_internal"]) as stub,
    ):
        for name in ("g1", "g2"):
            await HandAttached(stub).say(hello=hello(name=name), began=[began(1)])
        ben, anna = (await ask(role, ["ben", "anna"])).members
        assert (ben.member_id, ben.state) == ("ben", PRESENCE_STATE_UNKNOWN)
        assert (anna.member_id, anna.state) == ("anna", PRESENCE_STATE_ONLINE)
        assert [(d.device_id, d.device_class, d.gateway_id) for d in anna.devices] == [
            ("tv-1", "tv", "g1"),
            ("tv-1", "tv", "g2"),
        ]


@pytest.mark.parametrize(
    ("members", "field"),
    [([], "member_ids"), (["a"] * 1001, "member_ids"), (["a", "b c"], "member_ids[1]")],
)
async def test_names_the_field_that_breaks_its_rule(members: list[str], field: str) -> None:
    async with presence_role(LONG_LEASE) as role:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(role, members)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert bad_request(refused.value).field_violations[0].field == field


def bad_request(error: grpc.aio.AioRpcError) -> BadRequest:
    trailing = dict(error.trailing_metadata() or ())
    for detail in Status.FromString(trailing["grpc-status-details-bin"]).details:
        bad = BadRequest()
        if detail.Unpack(bad):
            return bad
    raise AssertionError("no BadRequest")


async def test_a_call_without_identity_is_refused() -> None:
    async with presence_role(LONG_LEASE) as role:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(role, ["anna"], source="")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_both_ports_serve_at_once_and_the_public_one_hides_the_internal_service() -> None:
    async with presence_role(LONG_LEASE) as role:
        for port, service in (
            ("presence", "reno.v1.PresenceService"),
            ("presence_internal", "reno.v1.LeaseService"),
        ):
            async with grpc.aio.insecure_channel(role.addresses[port]) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
        async with lease_stub(role.addresses["presence"]) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await look(stub, ["anna"])
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
