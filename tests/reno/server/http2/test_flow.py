"""Messages to peers that read slowly, or not at all: who waits, how much is held, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    ResponseReceived,
    SettingsAcknowledged,
    StreamReset,
)
from h2.settings import SettingCodes

from reno.server.http2 import answer as answer_module
from reno.server.http2.frames import prefixed
from reno.server.http2.limits import JOINED_BYTES, WRITE_HIGH_BYTES
from tests.gateway.devices.surroundings import eventually
from tests.reno.server.http2.peer import connected, serving

UNKNOWN = 2


async def echo(request: bytes, _context: Any) -> bytes:
    return request


class Writer:
    """A handler that writes messages as they are taken."""

    def __init__(self, size: int) -> None:
        self.message = b"x" * size
        self.written = 0

    async def stream(self, _request: bytes, context: Any) -> AsyncIterator[bytes]:
        while True:
            await context.write(self.message)
            self.written += 1
        yield


async def settled(writer: Writer) -> int:
    """How many it has written when it can write no more."""
    count = -1
    while count != writer.written:
        count = writer.written
        await asyncio.sleep(0.05)
    return count


async def test_bounded_a_stream_that_is_not_read_holds_its_writer_and_no_other() -> None:
    """Isolated."""
    writer = Writer(995)
    async with (
        serving(stream=writer.stream, unary=echo) as server,
        connected(server, window=10_000) as peer,
    ):
        stream_id = peer.ask("Stream")
        await peer.until(DataReceived, stream_id)
        assert await settled(writer) == 10
        assert await peer.status(peer.ask("Unary", b"x" * 1000)) == (0, "")
        # Room for the half of a message, then for the rest of it.
        for more, written in ((500, 10), (500, 11), (1, 11), (2999, 14)):
            peer.h2.increment_flow_control_window(more, stream_id)
            peer.say()
            await eventually(lambda written=written: writer.written >= written)  # type: ignore[misc]
            assert await settled(writer) == written


async def test_bounded_a_connection_that_is_not_read_holds_its_writers() -> None:
    writer = Writer(16_000)
    async with serving(stream=writer.stream) as server, connected(server, 2**31 - 1) as peer:
        peer.h2.increment_flow_control_window(2**30)
        for _ in range(20):
            peer.ask("Stream")
        await eventually(lambda: writer.written > 0)
        held = await settled(writer)
        # The sockets' buffers hold some, this process a bounded part, and 20 messages that wait.
        (connection,) = server._connections
        buffered = connection._transport.get_write_buffer_size()
        assert buffered <= WRITE_HIGH_BYTES + JOINED_BYTES + 17_000
        for _ in range(20):
            await peer.read()
        await eventually(lambda: writer.written > held)


async def test_streams_share_a_small_connection_window() -> None:
    """Every one of them gets on."""
    writers = [Writer(20_000) for _ in range(5)]
    waiting = iter(writers)

    def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        return next(waiting).stream(request, context)

    async with serving(stream=stream) as server, connected(server, window=1_000_000) as peer:
        for _ in writers:
            peer.ask("Stream")
        for _ in range(100):
            if all(writer.written >= 3 for writer in writers):
                break
            await peer.read()
            peer.h2.increment_flow_control_window(30_000)
            peer.say()
        assert all(writer.written >= 3 for writer in writers)


async def test_a_smaller_window_and_a_larger_one_in_the_midst_of_a_stream() -> None:
    writer = Writer(995)
    async with serving(stream=writer.stream) as server, connected(server, window=5000) as peer:
        stream_id = peer.ask("Stream")
        await peer.until(DataReceived, stream_id)
        assert await settled(writer) == 5
        for window, written in ((1000, 5), (4000, 5), (7000, 7)):
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
            peer.say()
            await eventually(lambda written=written: writer.written >= written)  # type: ignore[misc]
            assert await settled(writer) == written


async def test_a_setting_is_acknowledged_before_what_it_allows() -> None:
    writer = Writer(995)
    async with serving(stream=writer.stream) as server, connected(server, window=0) as peer:
        stream_id = peer.ask("Stream")
        await peer.until(ResponseReceived, stream_id)
        await settled(writer)
        peer.events.clear()
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1})
        peer.say()
        await peer.until(DataReceived, stream_id)
        told = [type(event) for event in peer.events]
        assert told.index(SettingsAcknowledged) < told.index(DataReceived)


async def test_the_end_of_a_call_comes_after_the_half_message_before_it() -> None:
    async def stream(_request: bytes, context: Any) -> AsyncIterator[bytes]:
        writing = asyncio.create_task(context.write(b"x" * 995))
        await asyncio.sleep(0.05)
        writing.cancel()
        raise ValueError("enough")
        yield

    async with serving(stream=stream) as server, connected(server, window=10) as peer:
        stream_id = peer.ask("Stream")
        await peer.until(DataReceived, stream_id)
        await asyncio.sleep(0.1)
        peer.h2.increment_flow_control_window(1000, stream_id)
        peer.say()
        assert (await peer.status(stream_id))[0] == UNKNOWN
        assert peer.body(stream_id) == prefixed(b"x" * 995)


async def test_bounded_the_end_of_a_call_waits_for_its_reader_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer_module, "LINGER_S", 0.1)
    done = asyncio.Event()

    async def stream(_request: bytes, context: Any) -> AsyncIterator[bytes]:
        context.add_done_callback(lambda _call: done.set())
        writing = asyncio.create_task(context.write(b"x" * 995))
        await asyncio.sleep(0.02)
        writing.cancel()
        return
        yield

    async with serving(stream=stream) as server, connected(server, window=10) as peer:
        reset = await peer.until(StreamReset, peer.ask("Stream"))
        assert reset.error_code == ErrorCodes.CANCEL
        await asyncio.wait_for(done.wait(), 5)


async def test_a_message_of_which_nothing_was_sent_is_dropped_with_its_writer() -> None:
    async def stream(_request: bytes, context: Any) -> AsyncIterator[bytes]:
        writing = asyncio.create_task(context.write(b"x" * 995))
        await asyncio.sleep(0.02)
        writing.cancel()
        return
        yield

    async with serving(stream=stream) as server, connected(server, window=0) as peer:
        assert await peer.status(peer.ask("Stream")) == (0, "")


async def test_messages_that_fill_the_connections_window_between_them_all_come() -> None:
    """None of them is whole by then."""
    received: list[int] = []

    async def both(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            received.append(len(request))
            yield b""

    message = prefixed(b"x" * 150_000)
    async with serving(both=both, max_receive_bytes=200_000) as server, connected(server) as peer:
        streams = [peer.call("Both", None) for _ in range(4)]
        for start in range(0, len(message), 1000):
            for stream_id in streams:
                part = message[start : start + 1000]
                async with asyncio.timeout(10):
                    while peer.h2.local_flow_control_window(stream_id) < len(part):
                        await peer.read()
                peer.h2.send_data(stream_id, part, end_stream=start + 1000 >= len(message))
                peer.say()
        for stream_id in streams:
            assert await peer.status(stream_id) == (0, "")
    assert received == [150_000] * len(streams)


@pytest.mark.parametrize("size", [10, 900, 3000, 9000])
async def test_bounded_messages_that_nobody_takes_hold_their_room(size: int) -> None:
    """And give all of it back when they are taken."""
    may_take = asyncio.Event()
    taken = 0

    async def both(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        nonlocal taken
        async for _ in requests:
            await may_take.wait()
            taken += 1
        yield b""

    most = 100_000
    async with (
        serving(both=both, max_receive_bytes=most) as server,
        connected(server) as peer,
    ):
        stream_id = peer.call("Both", None)
        message = prefixed(b"x" * size)
        sent = 0

        async def send_until_full() -> None:
            nonlocal sent
            while True:
                try:
                    async with asyncio.timeout(0.2):
                        while peer.h2.local_flow_control_window(stream_id) < len(message):
                            await peer.read()
                except TimeoutError:
                    return
                peer.h2.send_data(stream_id, message)
                peer.say()
                sent += 1

        await send_until_full()
        # One is with the handler; of the others no more than a window.
        assert (sent - 1) * len(message) <= most + 5
        may_take.set()
        await eventually(lambda: taken == sent)
        for _ in range(2 * most // len(message)):
            async with asyncio.timeout(10):
                while peer.h2.local_flow_control_window(stream_id) < len(message):
                    await peer.read()
            peer.h2.send_data(stream_id, message)
            peer.say()
        peer.h2.end_stream(stream_id)
        peer.say()
        assert await peer.status(stream_id) == (0, "")
