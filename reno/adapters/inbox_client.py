"""Reads the lanes' embedded inboxes over gRPC, from the processors that own them."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import grpc

from reno.adapters.channels import open_channel
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import Acknowledged, Page, Slice, StoredRow
from reno.v1 import inbox_service_pb2 as pb
from reno.v1.event_pb2 import Priority as WirePriority
from reno.v1.inbox_service_pb2_grpc import InboxServiceStub

if TYPE_CHECKING:
    from reno.v1.inbox_service_pb2_grpc import InboxServiceAsyncStub

MAX_RECEIVE_BYTES = 80 << 20
"""Above what the service lets one call ask for."""

Answer = TypeVar("Answer")


class InboxClient:
    """Implements reno.ports.InboxReader: one call is one call, the caller gathers. A lane that does not answer leaves the others alone."""

    def __init__(self, addresses: Mapping[Priority, str], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._channels = {
            priority: open_channel(address, max_receive_bytes=MAX_RECEIVE_BYTES)
            for priority, address in addresses.items()
        }
        self._stubs = {
            priority: InboxServiceStub(channel) for priority, channel in self._channels.items()
        }

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader. `now_ms` is not sent: the lane's processor says what time it is."""
        request = pb.ReadRequest(
            priority=WirePriority.ValueType(priority), slices=[_slice(one) for one in slices]
        )
        answer = await _asked(priority, self._stub(priority).Read(request, timeout=self._timeout_s))
        if len(answer.pages) != len(slices):
            raise Unavailable(
                Reason.NOT_READY, f"{len(answer.pages)} pages for {len(slices)} slices"
            )
        return [_page(page) for page in answer.pages]

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader."""
        request = pb.KeepAcknowledgedRequest(
            priority=WirePriority.ValueType(priority), acknowledged=[_mark(one) for one in marks]
        )
        stub = self._stub(priority)
        await _asked(priority, stub.KeepAcknowledged(request, timeout=self._timeout_s))

    async def close(self) -> None:
        """Ends calls in flight."""
        for channel in self._channels.values():
            await channel.close()

    def _stub(self, priority: Priority) -> "InboxServiceAsyncStub":
        if priority not in self._stubs:
            raise Unavailable(Reason.NOT_READY, f"no address for lane {priority.word}")
        return self._stubs[priority]


async def _asked(priority: Priority, call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise Unavailable(
            Reason.NOT_READY, f"lane {priority.word}: {error.code().name} {error.details()}"
        ) from error


def _slice(wanted: Slice) -> pb.Slice:
    return pb.Slice(
        tenant=wanted.tenant,
        member_id=wanted.member_id,
        device_id=wanted.device_id,
        after=wanted.after,
        max_rows=wanted.max_rows,
        max_bytes=wanted.max_bytes,
    )


def _page(page: pb.Page) -> Page:
    rows = [StoredRow(row.position, row.row) for row in page.rows]
    return Page(rows, page.more, page.through, page.mark, page.acknowledged)


def _mark(mark: Acknowledged) -> pb.Acknowledged:
    return pb.Acknowledged(
        tenant=mark.tenant,
        member_id=mark.member_id,
        device_id=mark.device_id,
        position=mark.position,
    )
