"""What only a peer without a gRPC library does, and what the server does then."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingAckReceived,
    PingReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from reno.server.http2 import connection as connection_module
from reno.server.http2.frames import prefixed
from tests.gateway.devices.surroundings import eventually
from tests.reno.server.http2.peer import connected, headers_of, serving

UNIMPLEMENTED, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED = 12, 8, 4


async def echo(request: bytes, _context: Any) -> bytes:
    return request


class Slow:
    """Answers with what it was asked, when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def unary(self, request: bytes, _context: Any) -> bytes:
        await self.may_answer.wait()
        return request


class Waiting:
    """A handler that waits, and what became of its calls."""

    def __init__(self) -> None:
        self.running = 0
        self.cancelled = 0
        self.done = 0

    async def unary(self, _request: bytes, context: Any) -> bytes:
        context.add_done_callback(self._be_done)
        self.running += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return b""

    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"begun"
        yield await self.unary(request, context)

    def _be_done(self, _call: Any) -> None:
        self.done += 1

    def all(self) -> tuple[int, int, int]:
        return self.running, self.cancelled, self.done


async def test_what_is_no_grpc_is_told_so() -> None:
    async with serving(unary=echo) as server, connected(server) as peer:
        calls = {
            peer.call("Unary", headers={"content-type": "application/json"}): "415",
            peer.call("Unary", headers={"content-type": ""}): "415",
            peer.call("Unary", headers={":method": "GET"}): "405",
        }
        for stream_id, status in calls.items():
            answer = await peer.until(ResponseReceived, stream_id)
            assert headers_of(answer)[":status"] == status
        assert await peer.status(peer.ask("Unary")) == (0, "")


async def test_a_malformed_request_ends_no_other() -> None:
    """Isolated."""
    async with serving(unary=echo) as server, connected(server) as peer:
        peer.h2.config.validate_outbound_headers = False
        peer.h2.config.normalize_outbound_headers = False
        for headers in ({"Upper": "x"}, {"connection": "close"}, {"te": "gzip"}, {"a-bin": "!"}):
            reset = await peer.until(StreamReset, peer.ask("Unary", headers=headers))
            assert reset.error_code == ErrorCodes.PROTOCOL_ERROR
        assert await peer.status(peer.ask("Unary")) == (0, "")


async def test_requests_that_are_refused() -> None:
    async with serving(unary=echo) as server, connected(server) as peer:
        assert await peer.status(peer.ask("Nothing")) == (UNIMPLEMENTED, "Method not found!")
        assert (await peer.status(peer.call("Unary", b"\1\0\0\0\1x")))[0] == UNIMPLEMENTED
        assert (await peer.status(peer.call("Unary")))[0] == UNIMPLEMENTED
        assert (await peer.status(peer.call("Unary", prefixed(b"") * 2)))[0] == UNIMPLEMENTED
        assert (await peer.status(peer.call("Unary", prefixed(b"xx")[:-1])))[0] == UNIMPLEMENTED
        # Before all of it has come.
        large = peer.call("Unary", b"\0\0\0\4\1", ends=False)
        assert (await peer.status(large))[0] == RESOURCE_EXHAUSTED
        metadata = peer.ask("Unary", headers={"large": "x" * 21_000})
        assert (await peer.status(metadata))[0] == RESOURCE_EXHAUSTED
        assert await peer.status(peer.ask("Unary")) == (0, "")


async def test_what_is_sent_after_an_early_answer_is_given_back() -> None:
    """Or the connection's window would fill up with it."""
    async with serving(unary=echo) as server, connected(server) as peer:
        for _ in range(10):
            refused = peer.call("Nothing", None)
            peer.h2.send_data(refused, b"x" * 16_000)
            peer.say()
            await peer.until(StreamReset, refused)
        assert await peer.status(peer.ask("Unary", b"still")) == (0, "")


async def test_a_stream_of_requests_has_room_as_it_is_read() -> None:
    async def both(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async with serving(both=both) as server, connected(server) as peer:
        stream_id = peer.call("Both", None)
        for number in range(200):
            message = b"%03d" % number + b"x" * 900
            while peer.h2.local_flow_control_window(stream_id) < 1000:
                await peer.read()
            peer.h2.send_data(stream_id, prefixed(message))
            peer.say()
            while b"%03d" % number not in peer.body(stream_id):
                await peer.read()
            peer.h2.increment_flow_control_window(1000, stream_id)
            peer.h2.increment_flow_control_window(1000)
        peer.h2.end_stream(stream_id)
        peer.say()
        assert await peer.status(stream_id) == (0, "")


@pytest.mark.parametrize("method", ["Unary", "Stream"])
async def test_a_call_that_is_reset_is_cancelled_once(method: str) -> None:
    waiting = Waiting()
    async with (
        serving(unary=waiting.unary, stream=waiting.stream) as server,
        connected(server) as peer,
    ):
        stream_id = peer.ask(method)
        await eventually(lambda: waiting.running == 1)
        peer.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        peer.say()
        await eventually(lambda: waiting.all() == (0, 1, 1))


async def test_calls_of_a_connection_that_is_lost_are_cancelled_once() -> None:
    waiting = Waiting()
    async with (
        serving(unary=waiting.unary, stream=waiting.stream) as server,
        connected(server) as peer,
    ):
        for _ in range(3):
            peer.ask("Unary")
            peer.ask("Stream")
        await eventually(lambda: waiting.running == 6)
        peer.close()
        await eventually(lambda: waiting.all() == (0, 6, 6))


async def test_a_deadline() -> None:
    waiting = Waiting()
    async with serving(stream=waiting.stream) as server, connected(server) as peer:
        stream_id = peer.ask("Stream", headers={"grpc-timeout": "50m"})
        assert (await peer.status(stream_id))[0] == DEADLINE_EXCEEDED
        await eventually(lambda: waiting.all() == (0, 1, 1))
        # Before the request is whole.
        assert (await peer.status(peer.call("Stream", None, {"grpc-timeout": "1m"})))[0] == 4
        # Before its handler has begun.
        assert (await peer.status(peer.ask("Stream", headers={"grpc-timeout": "0m"})))[
            0
        ] == DEADLINE_EXCEEDED


async def test_ping_is_answered() -> None:
    async with serving(unary=echo) as server, connected(server) as peer:
        peer.h2.ping(b"abcdefgh")
        peer.say()
        assert (await peer.until(PingAckReceived)).ping_data == b"abcdefgh"


async def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    waiting = Waiting()
    async with (
        serving(unary=waiting.unary, keepalive_s=0.1, keepalive_timeout_s=0.5) as server,
        connected(server) as peer,
    ):
        peer.ask("Unary")
        # Reads and answers: it stays.
        for _ in range(3):
            peer.events.clear()
            await peer.until(PingReceived)
        # Answers no more.
        await eventually(lambda: waiting.all() == (0, 1, 1))


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    waiting = Waiting()
    async with (
        serving(unary=waiting.unary, max_connection_idle_s=0.1) as server,
        connected(server) as idle,
        connected(server) as busy,
    ):
        busy.ask("Unary")
        ended = await idle.until(ConnectionTerminated)
        assert ended.error_code == ErrorCodes.NO_ERROR
        await idle.until_closed()
        assert waiting.all() == (1, 0, 0)


async def test_a_server_that_stops_lets_calls_finish_and_takes_no_more() -> None:
    slow = Slow()
    async with serving(unary=slow.unary) as server, connected(server) as peer:
        first = peer.ask("Unary", b"first")
        peer.h2.ping(b"arrived.")
        peer.say()
        await peer.until(PingAckReceived)
        stopping = asyncio.create_task(server.stop(10.0))
        said = b""
        while (at := said.find(b"\7\0\0\0\0\0")) < 0:
            said += await peer.read_raw()
        assert int.from_bytes(said[at + 6 : at + 10], "big") == first
        # It has not seen that yet.
        refused = peer.ask("Unary", b"second")
        slow.may_answer.set()
        while more := await peer.read_raw():
            said += more
        peer.close()
        await asyncio.wait_for(stopping, 5)
        assert b"first" in said
        assert b"second" not in said
        assert b"\0\0\4\3\0" + refused.to_bytes(4, "big") + b"\0\0\0\7" in said


async def test_calls_that_outlast_the_grace_are_ended() -> None:
    waiting = Waiting()
    async with serving(unary=waiting.unary) as server, connected(server) as peer:
        peer.ask("Unary")
        await eventually(lambda: waiting.running == 1)
        await server.stop(0.05)
        assert waiting.all() == (0, 1, 1)


async def test_a_peer_that_says_goodbye_still_gets_its_answers() -> None:
    slow = Slow()
    async with serving(unary=slow.unary) as server, connected(server) as peer:
        stream_id = peer.ask("Unary", b"late")
        peer.say(b"\0\0\x08\7\0\0\0\0\0" + b"\0" * 8)
        slow.may_answer.set()
        assert await peer.status(stream_id) == (0, "")
        assert peer.body(stream_id) == prefixed(b"late")


async def test_bounded_more_calls_than_a_connection_may_have() -> None:
    waiting = Waiting()
    async with (
        serving(unary=waiting.unary, max_concurrent_streams=3) as server,
        connected(server) as peer,
    ):
        for _ in range(5):
            peer.ask("Unary")
        ended = await peer.until(ConnectionTerminated)
        assert ended.error_code != ErrorCodes.NO_ERROR
        await eventually(lambda: waiting.running == 0)


async def test_bounded_calls_that_are_cancelled_as_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "MAX_EARLY_RESETS_PER_S", 50)
    waiting = Waiting()
    async with serving(unary=waiting.unary) as server, connected(server) as peer:
        for _ in range(200):
            peer.h2.reset_stream(peer.ask("Unary"), ErrorCodes.CANCEL)
        peer.say()
        ended = await peer.until(ConnectionTerminated)
        assert ended.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        await peer.until_closed()
        assert waiting.running == 0


async def test_bounded_a_peer_that_asks_and_does_not_read() -> None:
    async with serving(unary=echo) as server, connected(server) as peer:
        pings = b"\0\0\x08\6\0\0\0\0\0abcdefgh" * 4096
        async with asyncio.timeout(30):
            while server._connections:
                peer.say_without_reading(pings)
                await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01" + b"\0" * 50]
)
async def test_what_is_no_http2_is_let_go(junk: bytes) -> None:
    async with serving(unary=echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(junk)
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass
        writer.close()
        await eventually(lambda: not server._connections)


async def test_nothing_is_left_of_calls_that_have_ended() -> None:
    async with serving(unary=echo, stream=Waiting().stream) as server, connected(server) as peer:
        for number in range(20):
            await peer.status(peer.ask("Unary", b"x"))
            stream_id = peer.ask("Stream")
            await peer.until(DataReceived, stream_id)
            peer.h2.reset_stream(stream_id)
            await peer.status(peer.ask("Nothing"))
            await peer.until(StreamReset, peer.ask("Unary", headers={"a-bin": "!"}))
            assert number >= 0
        await peer.until(StreamEnded)
        (connection,) = server._connections
        await eventually(lambda: not connection._calls)
        assert connection._streams.streams == {}
        assert not connection._line._starved
