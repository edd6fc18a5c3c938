"""A small door to knock at: a real server on a free port, with services that answer or raise as they are told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc.status_pb2 import Status

from reno.config.settings import ServerSettings
from reno.config.transport import GRPCIO
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import Call, Identify, backend_of, current_call
from reno.v1 import ingestion_service_pb2 as pb
from reno.v1.event_pb2 import PRIORITY_HIGH
from reno.v1.ingestion_service_pb2_grpc import (
    IngestionServiceServicer,
    IngestionServiceStub,
    add_IngestionServiceServicer_to_server,
)

NAME = "reno.v1.IngestionService"
BACKEND = (("reno-source", "billing"),)

TRANSPORT = GRPCIO
"""Of what is opened; see conftest.py."""


class Echo(IngestionServiceServicer):
    """Answers with what came in, or raises what it was told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls: list[Call] = []

    async def Publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        self._enter()
        return pb.PublishResponse(priority=PRIORITY_HIGH, position=len(request.event.id))

    async def PublishBatch(self, request: pb.PublishBatchRequest, context: Any) -> Any:
        self._enter()
        results = [pb.PublishResult(position=len(event.id)) for event in request.events]
        return pb.PublishBatchResponse(results=results).SerializeToString()

    async def PublishStream(
        self, request_iterator: AsyncIterator[pb.PublishStreamRequest], context: Any
    ) -> AsyncIterator[pb.PublishStreamResponse]:
        async for request in request_iterator:
            self._enter()
            yield pb.PublishStreamResponse(batch_id=request.batch_id)

    def _enter(self) -> None:
        self.calls.append(current_call())
        if self.error:
            raise self.error


@asynccontextmanager
async def open_door(
    echo: Echo, *, identify: Identify = backend_of, public: bool = True
) -> AsyncIterator[tuple[GrpcServer, grpc.aio.Channel]]:
    """A started server, nothing SERVING yet, and a channel to it; both are gone afterwards."""
    service = Service(NAME, add_IngestionServiceServicer_to_server, echo)
    server = GrpcServer(
        ServerSettings(drain_s=0.1),
        "127.0.0.1:0",
        [service],
        identify,
        public=public,
        max_receive_bytes=1 << 20,
        transport=TRANSPORT,
    )
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, channel
    finally:
        await server.stop()


def stub(channel: grpc.aio.Channel) -> Any:
    """Of the echo's service."""
    return IngestionServiceStub(channel)


def raw(channel: grpc.aio.Channel, method: str) -> Any:
    """A unary method that sends bytes as they are."""
    return channel.unary_unary(f"/{NAME}/{method}")


def details_of(error: grpc.aio.AioRpcError, *kinds: Callable[[], Any]) -> list[Any]:
    """The status details of these kinds, in the order asked for; fails where one is missing."""
    trailers = dict(error.trailing_metadata() or ())
    packed = Status.FromString(trailers["grpc-status-details-bin"]).details
    found = []
    for kind in kinds:
        message = kind()
        assert any(detail.Unpack(message) for detail in packed), kind
        found.append(message)
    return found
