"""A client that does what no gRPC client would, and a server for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, TrailersReceived
from h2.settings import SettingCodes, Settings

from reno.server.http2.frames import prefixed
from reno.server.http2.limits import Limits
from reno.server.http2.server import Http2Server

LIMITS = Limits(1024, 16_384, 100, 600.0, 30.0, 10.0)
WITHIN_S = 10.0

EventT = TypeVar("EventT", bound=Event)


@asynccontextmanager
async def serving(
    unary: Callable[[bytes, Any], Any] | None = None,
    stream: Callable[[bytes, Any], Any] | None = None,
    both: Callable[[Any, Any], Any] | None = None,
    grace_s: float = 0.1,
    **limits: Any,
) -> AsyncIterator[Http2Server]:
    """/t/Unary, /t/Stream and /t/Both, whose messages are bytes; where it listens is its `port`."""
    server = Http2Server(lambda _path, handler: handler, replace(LIMITS, **limits))
    handlers: dict[str, Any] = {
        "Unary": unary and grpc.unary_unary_rpc_method_handler(unary),
        "Stream": stream and grpc.unary_stream_rpc_method_handler(stream),
        "Both": both and grpc.stream_stream_rpc_method_handler(both),
    }
    server.add_registered_method_handlers("t", {k: v for k, v in handlers.items() if v})
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace_s)


def headers_of(event: ResponseReceived | TrailersReceived) -> dict[str, str]:
    """As text."""
    return {str(name): str(value) for name, value in event.headers}


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: list[Event] = []
        self.has_ended = False
        self._reader, self._writer = reader, writer

    def say(self, more: bytes = b"") -> None:
        """What h2 wants said, and other bytes."""
        self._writer.write(self.h2.data_to_send() + more)

    def call(
        self,
        method: str,
        body: bytes | None = b"",
        headers: Mapping[str, str] | None = None,
        *,
        ends: bool = True,
    ) -> int:
        """The stream's number. `body`: as it is; None: none yet. `headers`: more, or others; without those that are empty."""
        stream_id = self.h2.get_next_available_stream_id()
        sent = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/t/{method}",
            ":authority": "x",
            "te": "trailers",
            "content-type": "application/grpc",
        } | dict(headers or {})
        self.h2.send_headers(stream_id, [(key, value) for key, value in sent.items() if value])
        if body is not None:
            self.h2.send_data(stream_id, body, end_stream=ends)
        self.say()
        return stream_id

    def ask(
        self, method: str, message: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> int:
        """A call with one message."""
        return self.call(method, prefixed(message), headers)

    async def read(self) -> bool:
        """False: the other side has closed."""
        data = await self._reader.read(65_536)
        if not data:
            self.has_ended = True
            return False
        self.events += self.h2.receive_data(data)
        self.say()
        return True

    async def until(
        self,
        kind: type[EventT],
        stream_id: int | None = None,
        is_it: Callable[[EventT], bool] = lambda _event: True,
    ) -> EventT:
        """The first such event, from the beginning."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for event in self.events:
                    if (
                        isinstance(event, kind)
                        and (stream_id is None or getattr(event, "stream_id", None) == stream_id)
                        and is_it(event)
                    ):
                        return event
                assert await self.read(), f"closed before {kind.__name__}"

    async def read_raw(self) -> bytes:
        """As it came, past h2, which takes nothing more after GOAWAY. Empty: the other side has closed."""
        async with asyncio.timeout(WITHIN_S):
            return await self._reader.read(65_536)

    async def until_closed(self) -> None:
        """By the other side."""
        async with asyncio.timeout(WITHIN_S):
            try:
                while await self.read():
                    pass
            except ConnectionError:
                self.has_ended = True

    async def status(self, stream_id: int) -> tuple[int, str]:
        """Of a call's end, and its message."""

        async with asyncio.timeout(WITHIN_S):
            while True:
                for event in self.events:
                    if isinstance(event, ResponseReceived | TrailersReceived):
                        headers = headers_of(event)
                        if event.stream_id == stream_id and "grpc-status" in headers:
                            return int(headers["grpc-status"]), headers.get("grpc-message", "")
                assert await self.read(), "closed before the end of the call"

    def body(self, stream_id: int) -> bytes:
        """What has come of the answer."""
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, DataReceived) and event.stream_id == stream_id
        )

    def say_without_reading(self, more: bytes) -> None:
        """Nothing is read any more."""
        self._reader_transport().pause_reading()
        self._writer.write(more)

    def _reader_transport(self) -> asyncio.ReadTransport:
        # A socket's; uvloop's is no asyncio.ReadTransport by name.
        return cast(asyncio.ReadTransport, self._writer.transport)

    def close(self) -> None:
        """As if the machine was gone."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(server: Http2Server, window: int = 65_535) -> AsyncIterator[Peer]:
    """`window`: of each stream, which is not made larger unless the test does so."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port))
    peer.h2.local_settings = Settings(
        client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window}
    )
    peer.h2.initiate_connection()
    peer.say()
    try:
        yield peer
    finally:
        peer.close()
