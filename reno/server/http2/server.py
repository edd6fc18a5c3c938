"""Listens, and holds the connections. Generated add_..._to_server functions take it for a server of grpcio's."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from reno.server.http2.connection import Connection
from reno.server.http2.ended import Ended
from reno.server.http2.limits import CLOSE_S, Limits
from reno.server.http2.method import Method

_READ_BYTES = 64 * 1024
_BACKLOG = 4096

Guard = Callable[[str, Any], Any]
"""Of a method's path and its handler: the handler with what happens around every call."""


class Http2Server:
    """As far as RENO's doors use grpc.aio.Server."""

    def __init__(self, guard: Guard, limits: Limits) -> None:
        self._guard = guard
        self._limits = limits
        self._methods: dict[str, Method] = {}
        self._sockets: list[socket.socket] = []
        self._listening: list[asyncio.Server] = []
        self.port = 0
        self._connections: set[Connection] = set()
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Generated code says everything twice: see add_registered_method_handlers."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Of one service, by the names of its methods."""
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            self._methods[path] = Method(path, self._guard(path, handler))

    def add_insecure_port(self, address: str) -> int:
        """The port, which is `port` from then on. Raises OSError where it cannot be had."""
        host, _, number = address.rpartition(":")
        port = int(number)
        for family, kind, protocol, _, where in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            listener = socket.socket(family, kind, protocol)
            self._sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((where[0], port, *where[2:]))
                # Or a second server could bind as well, and fail only when it starts.
                listener.listen(_BACKLOG)
            except OSError:
                self._close_sockets()
                raise
            self.port = port = listener.getsockname()[1]
        return port

    async def start(self) -> None:
        """Takes connections."""
        loop = asyncio.get_running_loop()
        for listener in self._sockets:
            self._listening.append(
                await loop.create_server(self._connect, sock=listener, backlog=_BACKLOG)
            )

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, lets those in flight finish for that long, then ends them."""
        for server in self._listening:
            server.close()
        self._close_sockets()
        for connection in list(self._connections):
            connection.drain()
        await self._until_gone(grace_s)
        for connection in list(self._connections):
            connection.end_calls(Ended(grpc.StatusCode.UNAVAILABLE, "the server goes away"))
        await self._until_gone(CLOSE_S)
        for connection in list(self._connections):
            connection.abort()
        await self._until_gone(CLOSE_S)

    def _connect(self) -> Connection:
        return Connection(self._methods, self._limits, self._buffer, self._connections)

    async def _until_gone(self, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while self._connections and loop.time() < until_s:
            await asyncio.sleep(0.005)

    def _close_sockets(self) -> None:
        for listener in self._sockets:
            listener.close()
