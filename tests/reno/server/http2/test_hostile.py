"""Whatever a peer sends: nothing is raised past the connection, and nothing is left of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import structlog
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from reno.server.http2.connection import Connection
from reno.server.http2.frames import prefixed
from reno.server.http2.method import Method
from tests.reno.server.http2.peer import LIMITS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/t/Echo"), ("te", "trailers")]
HEADERS = st.sampled_from(
    [
        [*REQUEST, ("content-type", "application/grpc")],
        [*REQUEST, ("content-type", "application/grpc"), ("grpc-timeout", "0n")],
        [*REQUEST[:2], (":path", "/t/Both"), ("content-type", "application/grpc")],
        [*REQUEST, ("content-type", "application/grpc"), ("content-length", "5")],
        [*REQUEST, ("content-type", "text/plain")],
        [*REQUEST[:2], (":path", "/t/None"), ("content-type", "application/grpc")],
        [("x", "y")],
        [*REQUEST, ("Upper", "x")],
    ]
)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream_id.to_bytes(4, "big") + payload


# Without its table, so that each stands for itself.
BLOCKS = HEADERS.map(lambda headers: Encoder().encode([(*one, True) for one in headers]))
IDS = st.integers(0, 9)
OPENINGS = st.builds(
    frame, st.just(1), st.sampled_from([4, 5]), st.sampled_from([1, 3, 5, 7]), BLOCKS
)
BODIES = st.builds(
    frame,
    st.just(0),
    st.integers(0, 1),
    IDS,
    st.one_of(st.binary(max_size=20).map(prefixed), st.binary(max_size=20)),
)
UPDATES = st.builds(
    frame,
    st.just(8),
    st.just(0),
    IDS,
    st.integers(0, 2**32 - 1).map(lambda n: n.to_bytes(4, "big")),
)
RESETS = st.builds(frame, st.just(3), st.just(0), IDS, st.just(b"\0\0\0\x08"))
SETTINGS = st.builds(
    frame,
    st.just(4),
    st.just(0),
    st.just(0),
    st.tuples(st.integers(0, 9), st.integers(0, 2**32 - 1)).map(
        lambda pair: pair[0].to_bytes(2, "big") + pair[1].to_bytes(4, "big")
    ),
)
ANYTHING = st.builds(frame, st.integers(0, 12), st.integers(0, 255), IDS, st.binary(max_size=30))
SENT = st.lists(
    st.one_of(OPENINGS, OPENINGS, BODIES, BODIES, UPDATES, RESETS, SETTINGS, ANYTHING), max_size=25
)


class Wall(asyncio.Transport):
    """Takes everything, and goes when it is told to."""

    def __init__(self) -> None:
        # As of a peer that has gone before it was looked at.
        super().__init__({"peername": None})
        self.is_gone = False

    def write(self, data: Any) -> None:
        assert not self.is_gone

    def is_closing(self) -> bool:
        return self.is_gone

    def abort(self) -> None:
        self.is_gone = True

    def write_eof(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Echoing:
    """What the calls meet."""

    def __init__(self) -> None:
        self.running = 0

    async def echo(self, request: bytes, context: Any) -> bytes:
        self.running += 1
        context.add_done_callback(self._done)
        return request * 3

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.running += 1
        context.add_done_callback(self._done)
        async for request in requests:
            yield request * 3

    def _done(self, _call: Any) -> None:
        self.running -= 1


@contextmanager
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs() as said:
        yield
    assert not [line for line in said if line["log_level"] == "error"], said


async def meets(chunks: list[bytes]) -> None:
    echoing, held, buffer = Echoing(), set[Connection](), memoryview(bytearray(1 << 16))
    methods = {
        "/t/Echo": Method("/t/Echo", grpc.unary_unary_rpc_method_handler(echoing.echo)),
        "/t/Both": Method("/t/Both", grpc.stream_stream_rpc_method_handler(echoing.both)),
    }
    connection, wall = Connection(methods, LIMITS, buffer, held), Wall()
    connection.connection_made(wall)
    for chunk in chunks:
        buffer[: len(chunk)] = chunk
        connection.buffer_updated(len(chunk))
        await asyncio.sleep(0)
    wall.abort()
    connection.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert echoing.running == 0
    assert not connection._calls
    assert not held


@given(SENT, st.booleans())
def test_frames_of_every_kind(sent: list[bytes], is_at_once: bool) -> None:
    chunks = [PREFACE, b"".join(sent)] if is_at_once else [PREFACE, *sent]
    with quiet():
        asyncio.run(meets([chunk for chunk in chunks if chunk]))


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=5))
def test_bytes_of_every_kind(sent: list[bytes]) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with quiet():
        asyncio.run(meets([PREFACE, *sent]))
