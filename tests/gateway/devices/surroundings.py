"""A gateway on free ports with an inbox in memory, its processors played by the test, and real clients."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc

from gateway.devices.role import GatewayRole
from reno.adapters.memory_inbox import MemoryInbox
from reno.config.settings import GatewaySettings, ServerSettings, Settings
from reno.config.transport import GRPCIO
from reno.domain.identity import Device
from reno.domain.member import member_key, shard_of
from reno.domain.position import position_of
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import (
    Acknowledged,
    DeliveryRow,
    EnvelopeWrite,
    GatewayAddress,
    JournalEntry,
    Page,
    RowWrite,
    SessionPlace,
    Shard,
    Slice,
)
from reno.v1.delivery_service_pb2 import DeliverRequest, Delivery
from reno.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from reno.v1.event_pb2 import Priority as PriorityProto
from reno.v1.notification_service_pb2 import SubscribeRequest, SubscribeResponse
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.gateway.devices.rows import FAR_MS

SHARDS = 2

TRANSPORT = GRPCIO
"""Of the devices' door; see conftest.py."""


class PlayedInbox(MemoryInbox):
    """Lanes in `silent` do not answer."""

    def __init__(self) -> None:
        super().__init__(SHARDS)
        self.silent: set[Priority] = set()
        self.reads = 0

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        self.reads += 1
        self._must_answer(priority)
        return await super().read(priority, slices, now_ms)

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        self._must_answer(priority)
        await super().keep_acknowledged(priority, marks)

    def show_at_most(self, rows: int) -> None:
        self._max_member_rows = rows

    def forget(self, priority: Priority) -> None:
        """The lane's inbox is another one, and empty."""
        self._rows = {key: rows for key, rows in self._rows.items() if key[0] is not priority}
        self._journals = {
            shard: kept for shard, kept in self._journals.items() if shard.priority is not priority
        }

    def _must_answer(self, priority: Priority) -> None:
        if priority in self.silent:
            raise Unavailable(Reason.NOT_READY, "silent")


class PlayedAnnouncer:
    """Remembers what it was told; knows each session at once unless told otherwise."""

    def __init__(self) -> None:
        self.began_places: list[SessionPlace] = []
        self.ended_numbers: list[int] = []
        self.is_stopped = False
        self._failing = asyncio.Event()
        self.knows_at_once = True
        self.gateway: GatewayAddress | None = None
        self.on_known: Callable[[Collection[int], bool], None] | None = None

    def start(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
    ) -> None:
        self.gateway, self.held, self.on_known = gateway, held, on_known

    def began(self, place: SessionPlace) -> int:
        self.began_places.append(place)
        if self.knows_at_once:
            self.know([place.number])
        return 1

    def know(self, numbers: Collection[int], *, again: bool = False) -> None:
        assert self.on_known is not None
        self.on_known(numbers, again)

    def ended(self, number: int) -> None:
        self.ended_numbers.append(number)

    async def wait(self) -> None:
        await self._failing.wait()
        raise WrongState(Reason.FENCED, "a newer epoch is attached")

    async def stop(self) -> None:
        self.is_stopped = True

    def fence(self) -> None:
        self._failing.set()


class Surroundings:
    """What stands around one gateway."""

    def __init__(self, inbox: PlayedInbox, announcer: PlayedAnnouncer, role: GatewayRole) -> None:
        self.inbox = inbox
        self.announcer = announcer
        self.role = role
        self._sequences: dict[Priority, int] = dict.fromkeys(LANES, 0)
        self._generations: dict[Priority, int] = dict.fromkeys(LANES, 0)
        self._previous: dict[tuple[Priority, str], int] = {}
        self.devices = grpc.aio.insecure_channel(role.addresses["devices"])
        self.deliver_channel = grpc.aio.insecure_channel(role.addresses["deliver"])

    async def store(
        self,
        *rows: bytes,
        priority: Priority = Priority.MEDIUM,
        member_id: str = "anna",
        sequence: int | None = None,
    ) -> list[DeliveryRow]:
        """One envelope of one member; what a processor would deliver of it."""
        if sequence is not None:
            self._sequences[priority] = sequence - 1
        self._sequences[priority] += 1
        sequence, generation = self._sequences[priority], self._generations[priority]
        key = member_key("", member_id)
        entry = JournalEntry(generation, sequence, sequence, b"\1" * 16, b"", b"")
        positions = [position_of(generation, sequence, index) for index in range(len(rows))]
        writes = [RowWrite(key, at, FAR_MS, row) for at, row in zip(positions, rows, strict=True)]
        shard = Shard(priority, shard_of(key, SHARDS), SHARDS)
        await self.inbox.append(shard, [EnvelopeWrite(entry, writes)])
        deliveries = []
        for at, row in zip(positions, rows, strict=True):
            previous = self._previous.get((priority, member_id), 0)
            deliveries.append(DeliveryRow(at, previous, row))
            self._previous[priority, member_id] = at
        return deliveries

    async def lose(self, priority: Priority) -> None:
        """The lane's log is lost: its processor begins a new generation."""
        self._generations[priority] += 1
        self._sequences[priority] = 0
        entry = JournalEntry(self._generations[priority], 0, 0, b"", b"", b"")
        for number in range(SHARDS):
            await self.inbox.append(Shard(priority, number, SHARDS), [EnvelopeWrite(entry, ())])

    async def deliver(
        self,
        rows: Sequence[DeliveryRow],
        *,
        priority: Priority = Priority.MEDIUM,
        member_id: str = "anna",
        resync: bool = False,
        epoch: int | None = None,
    ) -> None:
        request = DeliverRequest(
            gateway_epoch=self.role.epoch if epoch is None else epoch,
            priority=PriorityProto.ValueType(priority),
            shard=shard_of(member_key("", member_id), SHARDS),
            shards=SHARDS,
            resync=resync,
            deliveries=[
                Delivery(position=row.position, previous=row.previous, row=row.row) for row in rows
            ],
        )
        await DeliveryServiceStub(self.deliver_channel).Deliver(request)

    async def push(self, *rows: bytes, priority: Priority = Priority.MEDIUM) -> list[int]:
        """Stores and delivers, as a processor does; the positions."""
        deliveries = await self.store(*rows, priority=priority)
        await self.deliver(deliveries, priority=priority)
        return [row.position for row in deliveries]

    def door(self) -> Any:
        return NotificationServiceStub(self.devices)

    def subscribe(self, device: Device, **request: Any) -> "Client":
        call = self.door().Subscribe(SubscribeRequest(**request), metadata=who(device))
        return Client(call)


class Client:
    """A device's stream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.positions: list[int] = []
        self.cursor = ""

    async def frame(self) -> SubscribeResponse:
        frame = await asyncio.wait_for(self.call.read(), 10)
        assert isinstance(frame, SubscribeResponse), await self.call.code()
        self.positions += [notification.position for notification in frame.notifications]
        self.cursor = frame.cursor or self.cursor
        return frame

    async def until(self, is_it: Callable[[SubscribeResponse], bool]) -> SubscribeResponse:
        while True:
            frame = await self.frame()
            if is_it(frame):
                return frame

    async def caught_up(self) -> SubscribeResponse:
        return await self.until(lambda frame: frame.caught_up)

    async def notified(self) -> SubscribeResponse:
        return await self.until(lambda frame: len(frame.notifications) > 0)

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Reads what is left; the code and the reason."""

        async def read_on() -> None:
            while (frame := await self.call.read()) is not grpc.aio.EOF:
                self.positions += [notification.position for notification in frame.notifications]
                self.cursor = frame.cursor or self.cursor

        with suppress(grpc.aio.AioRpcError):
            await asyncio.wait_for(read_on(), 10)
        details = await self.call.details()
        return await self.call.code(), details.partition(":")[0]


def who(device: Device) -> list[tuple[str, str]]:
    return [
        ("reno-member", device.member_id),
        ("reno-device", device.device_id),
        ("reno-class", device.device_class),
    ]


@asynccontextmanager
async def a_gateway(**settings: Any) -> AsyncIterator[Surroundings]:
    """Quick intervals unless told otherwise."""
    quick: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "transport": TRANSPORT,
        "listen_internal": "127.0.0.1:0",
        "retry_s": 0.05,
        "acknowledge_interval_s": 0.05,
        "drain_spread_s": 0.1,
    }
    inbox, announcer = PlayedInbox(), PlayedAnnouncer()
    role = GatewayRole(
        Settings(
            gateway=GatewaySettings(**{**quick, **settings}), server=ServerSettings(drain_s=0.2)
        ),
        inbox,
        announcer,
    )
    await role.start()
    around = Surroundings(inbox, announcer, role)
    try:
        yield around
    finally:
        await around.devices.close()
        await around.deliver_channel.close()
        if not announcer.is_stopped:
            await role.drain()


async def eventually(is_so: Callable[[], bool]) -> None:
    """Within 10 s."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)
