"""What a port shows of itself: health, reflection, and that it belongs to one process."""

import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from reno.config.settings import ServerSettings
from reno.server.grpc_server import GrpcServer, PortTaken
from reno.server.identity import nobody
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest
from tests.reno.server.door import BACKEND, NAME, Echo, open_door, stub

pytestmark = pytest.mark.usefixtures("each_transport")

Status = health_pb2.HealthCheckResponse.ServingStatus
REQUEST = PublishRequest(event=Event(id="e-1"))


async def status_of(channel: grpc.aio.Channel, service: str) -> str:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request)
    return str(Status.Name(answer.status))


async def test_a_service_is_not_serving_until_it_is_ready() -> None:
    async with open_door(Echo()) as (server, channel):
        assert await status_of(channel, "") == "SERVING"
        assert await status_of(channel, NAME) == "NOT_SERVING"
        await server.ready(NAME, True)
        assert await status_of(channel, NAME) == "SERVING"
        await server.all_ready(False)
        assert await status_of(channel, NAME) == "NOT_SERVING"


async def test_after_goodbye_it_never_serves_again_and_still_answers() -> None:
    async with open_door(Echo()) as (server, channel):
        await server.all_ready(True)
        await server.say_goodbye()
        await server.all_ready(True)
        assert await status_of(channel, NAME) == "NOT_SERVING"
        assert await status_of(channel, "") == "NOT_SERVING"
        assert (await stub(channel).Publish(REQUEST, metadata=BACKEND)).position == 3


async def test_who_watches_sees_it_become_ready() -> None:
    async with open_door(Echo()) as (server, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=NAME)
        )
        assert Status.Name((await watch.read()).status) == "NOT_SERVING"
        await server.ready(NAME, True)
        assert Status.Name((await watch.read()).status) == "SERVING"
        watch.cancel()


async def services_of(channel: grpc.aio.Channel) -> set[str]:
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests)
    answer = await call.read()
    return {service.name for service in answer.list_services_response.service}


async def test_reflection_lists_what_a_public_port_serves() -> None:
    async with open_door(Echo()) as (_, channel):
        assert await services_of(channel) == {
            NAME,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


async def test_an_internal_port_has_no_reflection() -> None:
    async with open_door(Echo(), public=False) as (_, channel):
        # Nothing is asked: grpc.aio may meet the end while it sends, and report INTERNAL.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo().read()
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_taken_port_is_said(each_transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortTaken, match=address):
            GrpcServer(
                ServerSettings(),
                address,
                [],
                nobody,
                public=False,
                max_receive_bytes=1 << 20,
                transport=each_transport,
            )


async def test_two_servers_never_share_a_port(each_transport: str) -> None:
    async with open_door(Echo()) as (server, _):
        with pytest.raises(PortTaken, match=server.address):
            GrpcServer(
                ServerSettings(),
                server.address,
                [],
                nobody,
                public=False,
                max_receive_bytes=1 << 20,
                transport=each_transport,
            )


async def test_a_request_over_the_limit_is_refused() -> None:
    request = PublishRequest(event=Event(payload=bytes(2 << 20)))
    async with open_door(Echo()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).Publish(request, metadata=BACKEND)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
