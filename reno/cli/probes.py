"""How `reno up` asks its children whether they live and whether they do their work."""

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reno.adapters.channels import open_channel

_SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_SERVING = health_pb2.HealthCheckResponse.SERVING
_MAX_HTTP_BYTES = 64 * 1024
_WRITE_ERROR = b"write error"

ROOM_BYTES = 64 * 1024 * 1024
"""Free on the disk, before it is worth to start a log anew that could not write."""


class GrpcProbe:
    """Asks the gRPC health service: any answer for "" is life, SERVING for every service named is work."""

    def __init__(self, address: str, services: Sequence[str], timeout_s: float) -> None:
        self._address = address
        self._services = tuple(services)
        self._timeout_s = timeout_s
        self._channel: grpc.aio.Channel | None = None

    async def alive(self) -> bool:
        """Also an error status is an answer."""
        try:
            await self._ask("")
        except grpc.aio.AioRpcError as error:
            return error.code() not in _SILENT
        return True

    async def ready(self) -> bool:
        """All services are SERVING."""
        try:
            return all([await self._ask(name) == _SERVING for name in self._services])
        except grpc.aio.AioRpcError:
            return False

    async def close(self) -> None:
        """The next question would open a new channel."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def _ask(self, service: str) -> int:
        if self._channel is None:
            self._channel = open_channel(self._address)
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await stub.Check(request, timeout=self._timeout_s)
        return int(answer.status)


class LogProbe:
    """Asks nats-server's monitor: any answer is life, except that it could not write and now has room to. JetStream is work."""

    def __init__(self, host: str, port: int, store: Path, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._store = store
        self._timeout_s = timeout_s

    async def alive(self) -> bool:
        """A stream that met a full disk takes nothing more, also when there is room again: only a new start helps."""
        answer = await self._answer("/healthz")
        if answer is None:
            return False
        return _WRITE_ERROR not in answer[1] or not self._has_room()

    async def ready(self) -> bool:
        """200."""
        answer = await self._answer("/healthz?js-enabled-only=true")
        return answer is not None and answer[0] == 200

    async def close(self) -> None:
        """Every question has a connection of its own."""

    def _has_room(self) -> bool:
        try:
            return shutil.disk_usage(self._store).free >= ROOM_BYTES
        except OSError:
            return False

    async def _answer(self, path: str) -> tuple[int, bytes] | None:
        return await _get(self._host, self._port, path, self._timeout_s)


class HttpProbe:
    """Asks one path over HTTP: any answer is life, 200 is work."""

    def __init__(self, host: str, port: int, path: str, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._path = path
        self._timeout_s = timeout_s

    async def alive(self) -> bool:
        """Whatever its status."""
        return await self._answer() is not None

    async def ready(self) -> bool:
        """200."""
        answer = await self._answer()
        return answer is not None and answer[0] == 200

    async def close(self) -> None:
        """Every question has a connection of its own."""

    async def _answer(self) -> tuple[int, bytes] | None:
        return await _get(self._host, self._port, self._path, self._timeout_s)


class MeshProbe:
    """Alive is what the edge says of itself; it does its work when every door answers through it."""

    def __init__(self, edge: HttpProbe, doors: Sequence[GrpcProbe]) -> None:
        self._edge = edge
        self._doors = tuple(doors)

    async def alive(self) -> bool:
        """The doors' troubles are not the edge's."""
        return await self._edge.alive()

    async def ready(self) -> bool:
        """All doors are SERVING."""
        return await self._edge.ready() and all([await door.ready() for door in self._doors])

    async def close(self) -> None:
        """Releases the connections."""
        for door in self._doors:
            await door.close()


async def _get(host: str, port: int, path: str, timeout_s: float) -> tuple[int, bytes] | None:
    """Status and what follows it; None: no answer in time."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, limit=_MAX_HTTP_BYTES)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                answer = b""
                while len(answer) < _MAX_HTTP_BYTES and (part := await reader.read(4096)):
                    answer += part
                return int(answer.split(b" ", 2)[1]), answer
            finally:
                writer.close()
    return None
