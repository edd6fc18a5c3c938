"""The presence role: a replica with its public and its internal port."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from opentelemetry.metrics import Observation

from presence.lease_service import LeaseService
from presence.lease_table import LeaseTable
from presence.presence_service import PresenceService
from presence.watches import Watches
from reno.config.settings import Settings
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import backend_of, nobody
from reno.telemetry.metrics import observe
from reno.v1.lease_service_pb2_grpc import add_LeaseServiceServicer_to_server
from reno.v1.presence_service_pb2_grpc import add_PresenceServiceServicer_to_server

_log = structlog.get_logger("presence")

_MAX_REQUEST_BYTES = 4 * 1024 * 1024


class PresenceRole:
    """A reno.server.role.Role. Its memory is empty at start: gateways fill it within a lease."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def addresses(self) -> Mapping[str, str]:
        """presence (public) and presence_internal."""
        return {"presence": self._public.address, "presence_internal": self._internal.address}

    async def start(self) -> None:
        """SERVING at once: what it cannot know yet it answers as UNKNOWN."""
        settings = self._settings.presence
        self._lease_ms = int(settings.lease_s * 1000)
        self._table = LeaseTable(
            lease_ms=self._lease_ms, max_sessions=settings.max_sessions, now_ms=_clock_ms()
        )
        self._leases = LeaseService(
            self._table,
            _clock_ms,
            lease_ms=self._lease_ms,
            max_lookup_members=settings.max_lookup_members,
        )
        self._watches = Watches(self._table, _clock_ms, settings)
        self._presence = PresenceService(self._table, self._watches, _clock_ms, settings)
        self._public = GrpcServer(
            self._settings.server,
            settings.listen,
            [
                Service(
                    "reno.v1.PresenceService",
                    add_PresenceServiceServicer_to_server,
                    self._presence,
                )
            ],
            backend_of,
            public=True,
            max_receive_bytes=_MAX_REQUEST_BYTES,
        )
        self._internal = GrpcServer(
            self._settings.server,
            settings.listen_internal,
            [Service("reno.v1.LeaseService", add_LeaseServiceServicer_to_server, self._leases)],
            nobody,
            public=False,
            max_receive_bytes=_MAX_REQUEST_BYTES,
        )
        for server in (self._public, self._internal):
            await server.start()
            await server.all_ready(True)
        self._tasks = {
            asyncio.create_task(self._tick()),
            asyncio.create_task(self._watches.run()),
        }
        observe(
            "reno.presence.sessions",
            "{session}",
            "Sessions that this replica knows",
            lambda: [Observation(self._table.sessions)],
        )
        observe(
            "reno.presence.watches",
            "{watch}",
            "Watches that this replica serves",
            lambda: [Observation(len(self._watches))],
        )

    async def wait(self) -> None:
        """Raises what a task of its own failed with."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def drain(self) -> None:
        """Gateways are sent away, to attach to the other replicas or to this one's successor."""
        for server in (self._public, self._internal):
            await server.say_goodbye()
        self._presence.drain()
        self._leases.drain()
        await asyncio.gather(self._public.stop(), self._internal.stop())
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _tick(self) -> None:
        while True:
            self._table.expire(_clock_ms())
            for gateway, sessions in self._table.take_lapsed():
                _log.warning(
                    "lease ended without a goodbye", gateway=gateway.gateway_id, sessions=sessions
                )
            await asyncio.sleep(self._lease_ms / 4000)


def _clock_ms() -> int:
    return time.monotonic_ns() // 1_000_000
