"""The gateway: devices' door, deliver port, and the sessions between them."""

import asyncio
import random
import time
from collections.abc import Collection, Iterable, Mapping

from opentelemetry.metrics import Observation

from gateway.devices.acknowledging import Acknowledging
from gateway.devices.delivering import Delivering
from gateway.devices.delivery_service import DeliveryServicer
from gateway.devices.door import Door
from gateway.devices.gathering import Gathering, PartOf
from gateway.devices.looking import Looking
from gateway.devices.notification_service import NotificationServicer
from gateway.devices.outbox import Budget
from gateway.devices.registry import Registry
from reno.config.settings import Settings
from reno.ports import GatewayAddress, InboxReader, PresenceAnnouncer
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import device_of, nobody
from reno.telemetry import metrics
from reno.v1.delivery_service_pb2_grpc import add_DeliveryServiceServicer_to_server
from reno.v1.notification_service_pb2_grpc import add_NotificationServiceServicer_to_server

NOTIFICATION_SERVICE = "reno.v1.NotificationService"
DELIVERY_SERVICE = "reno.v1.DeliveryService"

MAX_RECEIVE_BYTES = 64 * 1024
MAX_DELIVER_BYTES = 64 * 1024 * 1024


class GatewayRole:
    """See reno.server.role.Role. The inbox and the announcer stay the wiring's to close, but the announcer is stopped here."""

    def __init__(
        self,
        settings: Settings,
        inbox: InboxReader,
        announcer: PresenceAnnouncer,
        part_of: PartOf = lambda *_member: 0,
    ) -> None:
        """`part_of`: see Gathering."""
        gateway = settings.gateway
        gathering = Gathering(inbox, gateway.read_timeout_s, part_of)
        self._settings = settings
        self._epoch = time.time_ns()
        self._door = Door(
            gateway,
            gathering,
            announcer,
            Acknowledging(
                gathering, gateway.acknowledge_interval_s, gateway.max_acknowledged_waiting
            ),
            Registry(gateway.max_sessions, gateway.max_sessions_per_member),
            Budget(gateway.max_outbox_bytes_total),
        )
        self._looking = Looking(self._door.registry, gateway.looks_per_s, gathering.is_busy)
        self._public: GrpcServer | None = None
        self._internal: GrpcServer | None = None
        self._flushing: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Mapping[str, str]:
        """See reno.server.role.Role."""
        assert self._public is not None
        assert self._internal is not None
        return {"devices": self._public.address, "deliver": self._internal.address}

    @property
    def epoch(self) -> int:
        """This start of the gateway: rises with every start."""
        return self._epoch

    async def start(self) -> None:
        """See reno.server.role.Role. Raises grpc_server.PortTaken."""
        gateway, door = self._settings.gateway, self._door
        self._internal = GrpcServer(
            self._settings.server,
            gateway.listen_internal,
            [
                Service(
                    DELIVERY_SERVICE,
                    add_DeliveryServiceServicer_to_server,
                    DeliveryServicer(door, Delivering(door.registry, self._looking, self._epoch)),
                )
            ],
            nobody,
            public=False,
            max_receive_bytes=MAX_DELIVER_BYTES,
        )
        self._public = GrpcServer(
            self._settings.server,
            gateway.listen,
            [
                Service(
                    NOTIFICATION_SERVICE,
                    add_NotificationServiceServicer_to_server,
                    NotificationServicer(door),
                )
            ],
            device_of,
            public=True,
            max_receive_bytes=MAX_RECEIVE_BYTES,
            transport=gateway.transport,
        )
        await self._internal.start()
        address = GatewayAddress(
            gateway.gateway_id, self._epoch, gateway.advertise or self._internal.address
        )
        door.announcer.start(address, door.registry.places, self._known)
        self._flushing = asyncio.create_task(door.acknowledging.run())
        metrics.observe("reno.gateway.sessions", "{session}", "Streams held", self._sessions)
        await self._public.start()
        await self._internal.all_ready(True)
        await self._public.all_ready(True)

    async def wait(self) -> None:
        """See reno.server.role.Role."""
        assert self._flushing is not None
        announcing = asyncio.create_task(self._door.announcer.wait())
        try:
            first = asyncio.FIRST_COMPLETED
            done, _ = await asyncio.wait({self._flushing, announcing}, return_when=first)
        finally:
            announcing.cancel()
        for task in done:
            task.result()

    async def drain(self) -> None:
        """See reno.server.role.Role. Devices come back spread over drain_spread_s."""
        gateway, door = self._settings.gateway, self._door
        assert self._public is not None
        assert self._internal is not None
        await self._public.say_goodbye()
        self._looking.stop()
        door.is_draining = True
        for session in door.registry.all():
            session.leave(random.uniform(0, gateway.drain_spread_s))
        until = time.monotonic() + gateway.drain_wait_s
        while len(door.registry) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self._public.stop()
        await door.acknowledging.flush()
        await door.announcer.stop()
        await self._internal.say_goodbye()
        await self._internal.stop()

    def _known(self, numbers: Collection[int], again: bool) -> None:
        if again:
            self._looking.soon(numbers)
            return
        for number in numbers:
            if session := self._door.registry.number(number):
                session.known()

    def _sessions(self) -> Iterable[Observation]:
        return [Observation(len(self._door.registry))]
