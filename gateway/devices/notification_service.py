"""The devices' door: NotificationService over gRPC."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message
from protovalidate import Validator

from gateway.devices.cursor import Cursor
from gateway.devices.door import Door, now_ms
from gateway.devices.gaps import expired_gap
from gateway.devices.outbox import Outbox
from gateway.devices.pulling import Pulling
from gateway.devices.session import FrameLimits, Session
from gateway.devices.starting import wanted_positions
from gateway.devices.stream import Stream
from reno.domain.identity import Device
from reno.domain.reason import Reason
from reno.errors import CallerFault, Unavailable
from reno.server.identity import current_device
from reno.v1.notification_service_pb2 import (
    AcknowledgeRequest,
    AcknowledgeResponse,
    PullRequest,
    SubscribeRequest,
)
from reno.v1.notification_service_pb2_grpc import NotificationServiceServicer

_validator = Validator()


class NotificationServicer(NotificationServiceServicer):
    """See notification_service.proto. Answers are bytes where they were joined from parts."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._pulling = Pulling(door)

    async def Subscribe(self, request: SubscribeRequest, context: Any) -> AsyncIterator[Any]:
        """See notification_service.proto."""
        _check(request)
        device = current_device()
        cursor = _open(request.cursor, device)
        if self._door.is_draining:
            raise Unavailable(Reason.DRAINING, "this gateway goes away")
        number = self._door.registry.admit(device)
        context.add_done_callback(lambda _call: self._door.registry.left(device))
        settings = self._door.settings
        gap = expired_gap(cursor, now_ms())
        session = Session(
            device,
            wanted_positions(cursor, request.start_at),
            Outbox(settings.max_outbox_rows, settings.max_outbox_bytes, self._door.budget),
            FrameLimits(
                min(request.max_batch or settings.max_page_rows, settings.max_page_rows),
                settings.max_page_bytes,
            ),
            [gap] if gap else [],
        )
        stream = Stream(self._door, session, number, resumes=cursor is not None)
        # Or it would go with the first frame, and a call cannot be ended while that waits for its reader.
        await context.send_initial_metadata(())
        await stream.run(context.write)
        yield  # never reached: frames are written from a task beside this one, so that a write that blocks can be left

    async def Pull(self, request: PullRequest, context: Any) -> Any:
        """See notification_service.proto."""
        _check(request)
        device = current_device()
        cursor = _open(request.cursor, device)
        return await self._pulling.pull(device, cursor, request.page_size, request.start_at)

    async def Acknowledge(self, request: AcknowledgeRequest, context: Any) -> AcknowledgeResponse:
        """See notification_service.proto."""
        _check(request)
        device = current_device()
        self._door.acknowledging.keep(device, Cursor.open(request.cursor, device).positions)
        return AcknowledgeResponse()


def _open(text: str, device: Device) -> Cursor | None:
    return Cursor.open(text, device) if text else None


def _check(request: Message) -> None:
    """Raises CallerFault naming the first field that breaks its rule."""
    for violation in _validator.collect_violations(request):
        path = violation.proto.field
        field = ".".join(element.field_name for element in path.elements) if path else ""
        raise CallerFault(Reason.INVALID, violation.proto.message, field=field)
