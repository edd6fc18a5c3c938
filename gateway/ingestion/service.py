"""IngestionService over gRPC: parses, hands to the door, answers."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import grpc

from gateway.ingestion.conversation import Conversation
from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.requests import Batch, read_batch, read_stream_batch
from gateway.ingestion.results import batch_response
from reno.config.settings import IngestionSettings
from reno.domain.reason import Reason
from reno.errors import CallerFault
from reno.server.identity import current_backend, current_call
from reno.v1.ingestion_service_pb2 import (
    DESCRIPTOR,
    PublishRequest,
    PublishResponse,
)

NAME: str = DESCRIPTOR.services_by_name["IngestionService"].full_name

STREAM_LIFE_JITTER = 0.2
"""So that streams opened together do not end together."""

Context = grpc.aio.ServicerContext[Any, Any]


class IngestionService:
    """The servicer. A batch's bytes reach it unparsed: one broken event must not fail its neighbours. Its answers leave it serialised: they are joined from parts."""

    def __init__(self, door: IngestionDoor, settings: IngestionSettings) -> None:
        self._door = door
        self._settings = settings
        self._conversations: set[Conversation] = set()
        self._is_closing = False

    async def publish(self, request: PublishRequest, _context: Context) -> PublishResponse:
        """See IngestionService.Publish."""
        if not request.HasField("event"):
            raise CallerFault(Reason.INVALID, "an event is needed", field="event")
        receipt = await self._door.publish(
            current_backend(), request.event, current_call().traceparent
        )
        return PublishResponse(
            priority=int(receipt.priority),  # type: ignore[arg-type]  # same numbers
            position=receipt.position,
        )

    async def publish_batch(self, request: bytes, _context: Context) -> bytes:
        """See IngestionService.PublishBatch."""
        self._door.check_open()
        batch = read_batch(request)
        await self._door.turn(batch)
        pending = self._door.take(current_backend(), batch, current_call().traceparent)
        return batch_response(await pending.results())

    async def publish_stream(
        self, requests: AsyncIterator[tuple[int, Batch]], _context: Context
    ) -> AsyncIterator[bytes]:
        """See IngestionService.PublishStream."""
        conversation = Conversation(
            self._door, self._settings, current_backend(), current_call().traceparent
        )
        if self._is_closing:
            conversation.close()
        life_s = self._settings.stream_life_s * random.uniform(1 - STREAM_LIFE_JITTER, 1)
        timer = asyncio.get_running_loop().call_later(life_s, conversation.close)
        self._conversations.add(conversation)
        try:
            async for answer in conversation.answers(requests):
                yield answer
        finally:
            timer.cancel()
            self._conversations.discard(conversation)

    def close_streams(self) -> None:
        """Every stream ends with DRAINING once what it has read is answered; so does one that begins later."""
        self._is_closing = True
        for conversation in self._conversations:
            conversation.close()


def add_to_server(service: IngestionService, server: grpc.aio.Server) -> None:
    """In place of the generated function, whose parsers refuse a whole batch for one event."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Publish": grpc.unary_unary_rpc_method_handler(
            service.publish,
            request_deserializer=PublishRequest.FromString,
            response_serializer=PublishResponse.SerializeToString,
        ),
        "PublishBatch": grpc.unary_unary_rpc_method_handler(
            service.publish_batch,
            request_deserializer=bytes,
            response_serializer=bytes,
        ),
        "PublishStream": grpc.stream_stream_rpc_method_handler(
            service.publish_stream,
            request_deserializer=read_stream_batch,
            response_serializer=bytes,
        ),
    }
    server.add_registered_method_handlers(NAME, handlers)
