"""Both doors as the contract describes them, in memory: what a client in another language is tried against without a whole mesh."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.duration_pb2 import Duration

from reno.config.settings import ServerSettings
from reno.config.transport import GRPCIO
from reno.errors import RenoError
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import (
    Identify,
    backend_of,
    current_backend,
    current_device,
    device_of,
)
from reno.v1 import ingestion_service_pb2 as pb
from reno.v1 import notification_service_pb2 as devices_pb
from reno.v1.event_pb2 import PRIORITY_MEDIUM, Event
from reno.v1.ingestion_service_pb2_grpc import (
    IngestionServiceServicer,
    add_IngestionServiceServicer_to_server,
)
from reno.v1.notification_pb2 import VIA_PUSH, Notification
from reno.v1.notification_service_pb2_grpc import (
    NotificationServiceServicer,
    add_NotificationServiceServicer_to_server,
)

POSITION = 4096


class ContractDoors(IngestionServiceServicer, NotificationServiceServicer):
    """One member, one device: what is published is pushed."""

    def __init__(self) -> None:
        self.refusal: RenoError | None = None
        self.acknowledged: list[str] = []
        self._rows: asyncio.Queue[Notification] = asyncio.Queue()

    async def Publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        if self.refusal:
            raise self.refusal
        await self._rows.put(_pushed(request.event, current_backend().source))
        return pb.PublishResponse(priority=PRIORITY_MEDIUM, position=POSITION)

    async def PublishBatch(
        self, request: pb.PublishBatchRequest, context: Any
    ) -> pb.PublishBatchResponse:
        return pb.PublishBatchResponse(results=await self._results(request.events))

    async def PublishStream(
        self, request_iterator: AsyncIterator[pb.PublishStreamRequest], context: Any
    ) -> AsyncIterator[pb.PublishStreamResponse]:
        async for request in request_iterator:
            results = await self._results(request.events)
            yield pb.PublishStreamResponse(batch_id=request.batch_id, results=results)

    async def _results(self, events: Iterable[Event]) -> list[pb.PublishResult]:
        for event in events:
            await self._rows.put(_pushed(event, current_backend().source))
        accepted = pb.PublishResult(
            status=pb.PublishResult.STATUS_ACCEPTED, priority=PRIORITY_MEDIUM, position=POSITION
        )
        return [accepted for _ in events]

    async def Subscribe(
        self, request: devices_pb.SubscribeRequest, context: Any
    ) -> AsyncIterator[devices_pb.SubscribeResponse]:
        session = devices_pb.Session(id="s-1", checkpoint_interval=Duration(seconds=15))
        yield devices_pb.SubscribeResponse(session=session)
        while True:
            row = await self._rows.get()
            yield devices_pb.SubscribeResponse(notifications=[row], cursor=_cursor())

    async def Pull(self, request: devices_pb.PullRequest, context: Any) -> devices_pb.PullResponse:
        rows = [self._rows.get_nowait() for _ in range(self._rows.qsize())]
        return devices_pb.PullResponse(notifications=rows, cursor=_cursor())

    async def Acknowledge(
        self, request: devices_pb.AcknowledgeRequest, context: Any
    ) -> devices_pb.AcknowledgeResponse:
        self.acknowledged.append(request.cursor)
        return devices_pb.AcknowledgeResponse()


def _pushed(event: Event, source: str) -> Notification:
    return Notification(
        event_id=event.id,
        type=event.type,
        action="reload_profiles",
        payload=event.payload,
        content_type=event.content_type,
        occurred_at=event.occurred_at,
        priority=PRIORITY_MEDIUM,
        position=POSITION,
        via=VIA_PUSH,
        source=source,
    )


def _cursor() -> str:
    device = current_device()
    return f"{device.member_id}.{device.device_id}.{POSITION}"


@asynccontextmanager
async def open_doors(
    doors: ContractDoors, transport: str = GRPCIO
) -> AsyncIterator[tuple[str, str]]:
    """(ingestion, devices): where they listen; `transport`: the devices' door's."""
    ingestion = Service("reno.v1.IngestionService", add_IngestionServiceServicer_to_server, doors)
    devices = Service(
        "reno.v1.NotificationService", add_NotificationServiceServicer_to_server, doors
    )
    servers = [_server(ingestion, backend_of), _server(devices, device_of, transport)]
    for server in servers:
        await server.start()
        await server.all_ready(True)
    try:
        yield servers[0].address, servers[1].address
    finally:
        for server in servers:
            await server.stop()


def _server(service: Service, identify: Identify, transport: str = GRPCIO) -> GrpcServer:
    return GrpcServer(
        ServerSettings(drain_s=0.1),
        "127.0.0.1:0",
        [service],
        identify,
        public=True,
        max_receive_bytes=1 << 20,
        transport=transport,
    )
