"""A gateway process: the real role, its door's real calls, and the streams of devices as the scheduler sees them."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.devices.delivering import Delivering
from gateway.devices.notification_service import NotificationServicer
from gateway.devices.role import GatewayRole
from reno.config.settings import Settings
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority
from reno.errors import RenoError
from reno.ports import DeliveryRow, GatewayAddress, Shard
from reno.server.identity import Call as CallIdentity
from reno.server.identity import enter_call
from reno.v1.notification_service_pb2 import (
    AcknowledgeRequest,
    PullRequest,
    PullResponse,
    SubscribeRequest,
    SubscribeResponse,
)
from tests.simulation.kernel import Process
from tests.simulation.network import unavailable
from tests.simulation.ports import InboxPort
from tests.simulation.replicas import Announcer

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(slots=True)
class Frame:
    """What the gateway handed to the transport, and when by its clock; the marks of the member's shards, and what the device had acknowledged, by then."""

    response: SubscribeResponse | PullResponse
    now_ms: int
    marks: dict[Priority, int]
    given: dict[Priority, int]


@dataclass(slots=True)
class Connection:
    """One Subscribe, as a gRPC context to the gateway and as a stream to the device."""

    world: "World"
    gateway: "Gateway"
    device: Device
    request: SubscribeRequest
    begun: dict[Priority, int]
    """After which position the device is owed what there is; below 0: see devices.py."""
    given: dict[Priority, int]
    """Of the cursors that the device gives back, the highest; grows."""
    marks: dict[Priority, int]
    """Of the member's shards when the device asked."""
    on_the_way: deque[Frame] = field(default_factory=deque)
    handled: list[Frame] = field(default_factory=list)
    is_open: bool = True
    """As the device sees it."""
    is_broken: bool = False
    ended: str = ""
    task: "asyncio.Task[None] | None" = None
    _callbacks: list[Callable[[object], None]] = field(default_factory=list)

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        self._callbacks.append(callback)

    async def send_initial_metadata(self, _metadata: object) -> None:
        """No device waits for it alone."""

    async def write(self, frame: bytes) -> None:
        process = self.gateway.process
        self.gateway.check_bounds()
        handed = self.framed(SubscribeResponse.FromString(frame))
        await self.world.network.call(
            f"frame for {self.device.device_id}",
            process,
            lambda: self._carry(handed),
            fails=None,
            # A device that does not read takes no more than this.
            may_arrive=lambda: len(self.on_the_way) < self.world.mix.frames_on_the_way,
        )

    def break_off(self, kept: int) -> None:
        """Its gateway died: of what the transport had the first frames still come."""
        self.is_broken = True
        while len(self.on_the_way) > kept:
            self.on_the_way.pop()

    def _carry(self, frame: Frame) -> None:
        if self.is_open and not self.is_broken:
            self.on_the_way.append(frame)

    def framed(self, response: SubscribeResponse | PullResponse) -> Frame:
        marks = self.world.marks_of(self.device)
        return Frame(response, self.gateway.process.now_ms, marks, dict(self.given))

    async def serve(self, servicer: NotificationServicer) -> None:
        enter_call(CallIdentity(self.device, None, ""))
        try:
            async for _ in servicer.Subscribe(self.request, self):
                pass
        except RenoError as error:
            self.ended = error.reason.name
        finally:
            for callback in self._callbacks:
                callback(None)


class Gateway:
    """One start of one gateway."""

    def __init__(self, world: "World", name: str, process: Process, settings: Settings) -> None:
        self.world = world
        self.name = name
        self.process = process
        self.settings = settings
        self.connections: list[Connection] = []
        self.is_draining = False
        process.run(self._start)

    def _start(self) -> None:
        world = self.world
        inbox = InboxPort(world, self.process)
        self._announcer = Announcer(world.replicas, world.network, self.process)
        self._role = GatewayRole(self.settings, inbox, self._announcer)
        self._door = self._role._door
        self._delivering = Delivering(self._door.registry, self._role._looking, self._role.epoch)
        self._servicer = NotificationServicer(self._door)
        server: Any = _Port()
        self._role._public = self._role._internal = server
        address = GatewayAddress(self.name, self._role.epoch, self.name)
        self._announcer.start(address, self._door.registry.places, self._role._known)
        self._role._flushing = asyncio.get_running_loop().create_task(
            self._door.acknowledging.run()
        )
        self._serving = asyncio.get_running_loop().create_task(self._role.wait())

    @property
    def fenced(self) -> BaseException | None:
        """Why it must not serve."""
        done = self._serving.done() and not self._serving.cancelled()
        return self._serving.exception() if done else None

    def deliver(self, epoch: int, shard: Shard, rows: list[DeliveryRow], *, resync: bool) -> None:
        if self._door.is_draining:
            raise unavailable()
        self.process.run(
            lambda: self._delivering.deliver(
                epoch, shard.priority, shard.number, shard.shards, rows, resync=resync
            )
        )
        self.check_bounds()

    def subscribe(
        self,
        device: Device,
        request: SubscribeRequest,
        begun: dict[Priority, int],
        given: dict[Priority, int],
    ) -> Connection:
        marks = self.world.marks_of(device)
        connection = Connection(self.world, self, device, request, begun, given, marks)
        self.connections.append(connection)
        connection.task = self.process.spawn(connection.serve(self._servicer))
        return connection

    def pull(self, asked: Connection, request: PullRequest) -> "asyncio.Task[Frame]":
        async def pull() -> Frame:
            enter_call(CallIdentity(asked.device, None, ""))
            answer = await self._servicer.Pull(request, None)
            return asked.framed(PullResponse.FromString(answer))

        return self.process.spawn(pull())

    def acknowledge(self, device: Device, cursor: str) -> "asyncio.Task[None]":
        async def acknowledge() -> None:
            enter_call(CallIdentity(device, None, ""))
            await self._servicer.Acknowledge(AcknowledgeRequest(cursor=cursor), None)

        return self.process.spawn(acknowledge())

    def notice_the_gone(self) -> None:
        """Calls whose devices have gone are cancelled."""
        for connection in self.connections:
            if not connection.is_open and connection.task and not connection.task.done():
                connection.task.cancel()

    def cut(self, index: int) -> None:
        self._announcer.cut(index)

    def drain(self) -> None:
        self.is_draining = True
        self.draining = self.process.spawn(self._role.drain())

    def sessions(self) -> list[Any]:
        return [stream._session for stream in self._door.registry.all()]  # type: ignore[attr-defined]

    def check_bounds(self) -> None:
        """Bounded: no outbox holds more than its share, and their sum is what the budget says."""
        gateway = self.settings.gateway
        most_rows = max(1, gateway.max_outbox_rows // len(LANES))
        most_bytes = max(1, gateway.max_outbox_bytes // len(LANES))
        for session in self.sessions():
            for lane in LANES:
                queue = session.outbox._queues[lane]
                rows = len(queue.rows)
                assert rows <= most_rows, f"Bounded: {rows} rows wait, {most_rows} may"
                largest = max((each.row.size_bytes for each in queue.rows), default=0)
                assert queue.bytes <= most_bytes + largest, f"Bounded: {queue.bytes} bytes wait"
        assert self._door.budget.used_bytes >= 0, "Bounded: the budget gave more than it has"


class _Port:
    """A server of nobody: drain stops it."""

    async def say_goodbye(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None:
        await asyncio.sleep(0)
