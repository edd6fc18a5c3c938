"""Reads the lanes' embedded inboxes over gRPC, many callers' slices in one call."""

from collections.abc import Mapping, Sequence

import grpc

from reno.adapters.channels import open_channel
from reno.adapters.inbox_lane import InboxLane, LaneLimits
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import Acknowledged, Page, Slice
from reno.v1 import inbox_service_pb2 as pb
from reno.v1.event_pb2 import Priority as WirePriority
from reno.v1.inbox_service_pb2_grpc import InboxServiceStub

MAX_MARKS = 1000
MAX_RECEIVE_BYTES = 64 << 20


class InboxClient:
    """Implements reno.ports.InboxReader. A lane that fails raises errors.Unavailable to its own callers only; the lane's processor, not the caller, says what time it is."""

    def __init__(
        self,
        addresses: Mapping[Priority, str],
        timeout_s: float,
        *,
        limits: LaneLimits | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._channels = {
            priority: open_channel(address, max_receive_bytes=MAX_RECEIVE_BYTES)
            for priority, address in addresses.items()
        }
        self._stubs = {
            priority: InboxServiceStub(channel) for priority, channel in self._channels.items()
        }
        self._lanes = {
            priority: InboxLane(priority, stub.Read, timeout_s, limits or LaneLimits())
            for priority, stub in self._stubs.items()
        }

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader. Raises errors.TryLater when too many slices wait. `now_ms` is not sent."""
        lane = self._lanes.get(priority)
        if lane is None:
            raise Unavailable(Reason.NOT_READY, f"no address for lane {priority.word}")
        return await lane.read(slices)

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader. After an error some of the marks may be kept."""
        stub = self._stubs.get(priority)
        if stub is None:
            raise Unavailable(Reason.NOT_READY, f"no address for lane {priority.word}")
        for start in range(0, len(marks), MAX_MARKS):
            request = pb.KeepAcknowledgedRequest(
                priority=WirePriority.ValueType(priority),
                acknowledged=[_mark(mark) for mark in marks[start : start + MAX_MARKS]],
            )
            try:
                await stub.KeepAcknowledged(request, timeout=self._timeout_s)
            except grpc.aio.AioRpcError as error:
                raise Unavailable(
                    Reason.NOT_READY, f"lane {priority.word}: {error.code().name} {error.details()}"
                ) from error

    async def close(self) -> None:
        """Callers that wait get errors.Unavailable."""
        for lane in self._lanes.values():
            await lane.close()
        for channel in self._channels.values():
            await channel.close()


def _mark(mark: Acknowledged) -> pb.Acknowledged:
    return pb.Acknowledged(
        tenant=mark.tenant,
        member_id=mark.member_id,
        device_id=mark.device_id,
        position=mark.position,
    )
