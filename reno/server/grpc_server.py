"""A gRPC server with health, reflection and a drain: what every role listens with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from reno.config.settings import ServerSettings
from reno.config.transport import GRPCIO
from reno.server.http2.limits import Limits
from reno.server.http2.server import Http2Server
from reno.server.identity import Identify
from reno.server.interceptor import DoorInterceptor, guarded

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

KEEPALIVE_S = 30.0
KEEPALIVE_TIMEOUT_S = 10.0


class PortTaken(Exception):
    """Somebody else listens on the address."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service to serve: its full name, its generated add_..._to_server and the servicer."""

    name: str
    add: Callable[[Any, Any], None]
    servicer: Any


class GrpcServer:
    """One listening port. Services are NOT_SERVING until `ready(name, True)`."""

    def __init__(
        self,
        settings: ServerSettings,
        address: str,
        services: Sequence[Service],
        identify: Identify,
        *,
        public: bool,
        max_receive_bytes: int,
        transport: str = GRPCIO,
    ) -> None:
        """`transport`: see GatewaySettings."""
        self._settings = settings
        self._names = [service.name for service in services]
        self._server: grpc.aio.Server | Http2Server
        if transport == GRPCIO:
            self._server = grpc.aio.server(
                interceptors=[DoorInterceptor(identify)],
                options=_options(settings, max_receive_bytes),
            )
        else:
            self._server = Http2Server(
                partial(guarded, identify=identify), _limits(settings, max_receive_bytes)
            )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in services:
            service.add(service.servicer, self._server)
        if public:
            shown = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
                reflection.aio.ReflectionServicer(shown), self._server
            )
        try:
            self.port = self._server.add_insecure_port(address)
        except (RuntimeError, OSError) as error:
            raise PortTaken(f"cannot listen on {address}: is something else there?") from error
        self.address = f"{address.rpartition(':')[0]}:{self.port}"

    async def start(self) -> None:
        """Listens; nothing is SERVING yet."""
        for name in self._names:
            await self.ready(name, False)
        await self._health.set("", SERVING)
        await self._server.start()

    async def ready(self, name: str, is_ready: bool) -> None:
        """What the health service says of a service."""
        await self._health.set(name, SERVING if is_ready else NOT_SERVING)

    async def all_ready(self, is_ready: bool) -> None:
        """The same for every service of this port."""
        for name in self._names:
            await self.ready(name, is_ready)

    async def say_goodbye(self) -> None:
        """NOT_SERVING for good, for all that watch; calls are still served."""
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Takes no new calls, lets those in flight finish for drain_s, then ends them."""
        await self._server.stop(self._settings.drain_s)


def _options(settings: ServerSettings, max_receive_bytes: int) -> list[tuple[str, int]]:
    return [
        # Two processes on one port would split the callers between them without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_receive_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.server.max_pending_requests", settings.max_waiting_calls),
        ("grpc.server.max_pending_requests_hard_limit", settings.max_waiting_calls),
        ("grpc.keepalive_time_ms", int(KEEPALIVE_S * 1000)),
        ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_connection_idle_ms", int(settings.max_connection_idle_s * 1000)),
    ]


def _limits(settings: ServerSettings, max_receive_bytes: int) -> Limits:
    # A call is looked at as it arrives: none waits.
    return Limits(
        max_receive_bytes=max_receive_bytes,
        max_metadata_bytes=settings.max_metadata_bytes,
        max_concurrent_streams=settings.max_concurrent_streams,
        max_connection_idle_s=settings.max_connection_idle_s,
        keepalive_s=KEEPALIVE_S,
        keepalive_timeout_s=KEEPALIVE_TIMEOUT_S,
    )
