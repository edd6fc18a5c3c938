"""Reads the lanes' embedded inboxes over gRPC, from the processors that own them."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import grpc

from reno.adapters.channels import open_channel
from reno.config.inbox_places import InboxPlace, parse_places, shard_count
from reno.domain.member import member_key, shard_of
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
    """Implements reno.ports.InboxReader: the caller gathers, best by `part`: then one call is one call. A part that does not answer leaves the others alone."""

    def __init__(self, addresses: Mapping[Priority, str], timeout_s: float) -> None:
        """`addresses`: see reno.config.inbox_places.parse_places."""
        self._timeout_s = timeout_s
        self._lanes = {priority: _Lane(parse_places(text)) for priority, text in addresses.items()}

    def part(self, priority: Priority, tenant: str, member_id: str) -> int:
        """Which of the lane's processors has the member's rows."""
        lane = self._lanes.get(priority)
        return 0 if lane is None else lane.part(tenant, member_id)

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader. `now_ms` is not sent: the lane's processor says what time it is."""
        lane = self._lane(priority)
        parts = _split(slices, lane)
        answers = await asyncio.gather(
            *(
                self._read(priority, lane.stubs[part], [slices[index] for index in indexes])
                for part, indexes in parts.items()
            )
        )
        pages: dict[int, Page] = {}
        for indexes, answer in zip(parts.values(), answers, strict=True):
            pages.update(zip(indexes, answer, strict=True))
        return [pages[index] for index in range(len(slices))]

    async def _read(
        self, priority: Priority, stub: "InboxServiceAsyncStub", slices: Sequence[Slice]
    ) -> list[Page]:
        request = pb.ReadRequest(
            priority=WirePriority.ValueType(priority), slices=[_slice(one) for one in slices]
        )
        answer = await _asked(priority, stub.Read(request, timeout=self._timeout_s))
        if len(answer.pages) != len(slices):
            raise Unavailable(
                Reason.NOT_READY, f"{len(answer.pages)} pages for {len(slices)} slices"
            )
        return [_page(page) for page in answer.pages]

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader. What reached a part stays there, though another one failed."""
        lane = self._lane(priority)
        requests = {
            part: pb.KeepAcknowledgedRequest(
                priority=WirePriority.ValueType(priority),
                acknowledged=[_mark(marks[index]) for index in indexes],
            )
            for part, indexes in _split(marks, lane).items()
        }
        calls = (
            lane.stubs[part].KeepAcknowledged(request, timeout=self._timeout_s)
            for part, request in requests.items()
        )
        await asyncio.gather(*(_asked(priority, call) for call in calls))

    async def close(self) -> None:
        """Ends calls in flight."""
        for lane in self._lanes.values():
            for channel in lane.channels:
                await channel.close()

    def _lane(self, priority: Priority) -> "_Lane":
        if priority not in self._lanes:
            raise Unavailable(Reason.NOT_READY, f"no address for lane {priority.word}")
        return self._lanes[priority]


class _Lane:
    def __init__(self, places: Sequence[InboxPlace]) -> None:
        self._shards = shard_count(places)
        self._part_of_shard = {
            shard: part
            for part, place in enumerate(places)
            for shard in place.shards.of(self._shards or 0)
        }
        self.channels = [
            open_channel(place.address, max_receive_bytes=MAX_RECEIVE_BYTES) for place in places
        ]
        self.stubs: list[InboxServiceAsyncStub] = [
            InboxServiceStub(channel) for channel in self.channels
        ]

    def part(self, tenant: str, member_id: str) -> int:
        if self._shards is None:
            return 0
        return self._part_of_shard[shard_of(member_key(tenant, member_id), self._shards)]


def _split(of_members: Sequence[Slice | Acknowledged], lane: _Lane) -> dict[int, list[int]]:
    parts: dict[int, list[int]] = {}
    for index, one in enumerate(of_members):
        parts.setdefault(lane.part(one.tenant, one.member_id), []).append(index)
    return parts


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
    return Page(rows, page.more, page.through, page.mark, page.acknowledged, page.left_out_through)


def _mark(mark: Acknowledged) -> pb.Acknowledged:
    return pb.Acknowledged(
        tenant=mark.tenant,
        member_id=mark.member_id,
        device_id=mark.device_id,
        position=mark.position,
    )
