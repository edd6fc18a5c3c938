"""A device: it subscribes, pulls, keeps cursors, acknowledges, goes away and comes back; all that it saw is remembered."""

import asyncio
from collections.abc import Mapping
from random import Random

from gateway.devices.cursor import Cursor
from reno.domain.identity import Device
from reno.domain.priority import Priority
from reno.errors import RenoError
from reno.v1.notification_service_pb2 import (
    START_AT_ACKNOWLEDGED,
    START_AT_LATEST,
    START_AT_START,
    PullRequest,
    StartAt,
    SubscribeRequest,
)
from tests.simulation.gateways import Connection, Frame, Gateway
from tests.simulation.world import World

FROM_LATEST = -2
FROM_ACKNOWLEDGED = -1
"""In place of a position that a stream is owed from: where the server says first, or after what the device had acknowledged by then. As in a cursor."""

_STARTS = (START_AT_ACKNOWLEDGED, START_AT_ACKNOWLEDGED, START_AT_START, START_AT_LATEST)


class DeviceClient:
    """`connections` are its streams, and each Pull as a stream of one frame."""

    def __init__(self, device: Device, world: World, random: Random) -> None:
        self.device = device
        self.connections: list[Connection] = []
        self.stream: Connection | None = None
        self.cursor = ""
        self._world = world
        self._random = random
        self._older = ""
        self._given: dict[Priority, int] = dict.fromkeys(world.mix.lanes, 0)
        """Of the cursors that it gave back, the highest."""
        self._pulling: tuple[Connection, asyncio.Task[Frame]] | None = None

    @property
    def is_connected(self) -> bool:
        return self.stream is not None

    def subscribe(self, gateway: Gateway) -> None:
        """Also while it still has a stream, which it then forgets."""
        self.leave()
        cursor, start_at, begun = self._beginning()
        request = SubscribeRequest(
            cursor=cursor, start_at=start_at, max_batch=self._random.choice((0, 1, 3))
        )
        self.stream = gateway.subscribe(self.device, request, begun, self._given)
        self.connections.append(self.stream)

    def leave(self) -> None:
        """The network drops: what is on the way is lost, and the gateway does not know yet."""
        if self.stream is not None:
            self.stream.is_open = False
            self.stream.on_the_way.clear()
            self.stream = None

    def handle(self) -> bool:
        """The next frame; False when none has come."""
        stream = self.stream
        if stream is None:
            return False
        if not stream.on_the_way:
            if stream.task is None or stream.task.done():
                self.leave()
            return False
        frame = stream.on_the_way.popleft()
        stream.handled.append(frame)
        if frame.response.cursor and self._random.random() < 0.8:
            self._keep(frame.response.cursor)
        return True

    def pull(self, gateway: Gateway) -> None:
        if self._pulling is not None:
            return
        cursor, start_at, begun = self._beginning()
        request = PullRequest(
            cursor=cursor, start_at=start_at, page_size=self._random.choice((0, 1, 3))
        )
        asked = Connection(
            self._world, gateway, self.device, SubscribeRequest(), begun, self._given, {}
        )
        self._pulling = asked, gateway.pull(asked, request)

    def take_page(self) -> None:
        """The answer to its pull, when there is one."""
        if self._pulling is None or not self._pulling[1].done():
            return
        asked, task = self._pulling
        self._pulling = None
        if task.cancelled() or ((error := task.exception()) and isinstance(error, RenoError)):
            return
        page = task.result()
        asked.handled.append(page)
        self.connections.append(asked)
        if self.stream is None:
            self._keep(page.response.cursor)

    def acknowledge(self, gateway: Gateway) -> None:
        if self.cursor:
            self._give(Cursor.open(self.cursor, self.device).positions)
            gateway.acknowledge(self.device, self.cursor)

    def forget(self) -> None:
        """It crashed: the cursor is an older one, or none at all."""
        self.leave()
        self.cursor = self._random.choice((self._older, self.cursor, ""))

    def _keep(self, cursor: str) -> None:
        self._older, self.cursor = self.cursor, cursor

    def _beginning(self) -> tuple[str, StartAt.ValueType, dict[Priority, int]]:
        lanes = self._world.mix.lanes
        start_at = self._random.choice(_STARTS)
        if self.cursor:
            positions = Cursor.open(self.cursor, self.device).positions
            begun = {lane: positions[lane] for lane in lanes}
            self._give(positions)
        elif start_at == START_AT_ACKNOWLEDGED:
            begun = dict.fromkeys(lanes, FROM_ACKNOWLEDGED)
        else:
            begun = dict.fromkeys(lanes, 0 if start_at == START_AT_START else FROM_LATEST)
        return self.cursor, start_at, begun

    def _give(self, positions: Mapping[Priority, int]) -> None:
        for lane in self._given:
            self._given[lane] = max(self._given[lane], positions[lane])
