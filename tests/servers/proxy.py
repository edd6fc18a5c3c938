"""A TCP proxy on 127.0.0.1 between somebody and a server: it cuts, falls silent and is slow when it is told to. Its own thread, so that it lives while a test waits."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.servers.nats import free_port

READ_BYTES = 64 * 1024
CALL_TIMEOUT_S = 10.0

Answer = TypeVar("Answer")


class ProxyThread:
    """The event loop of all proxies of a test. `close` ends it with its connections."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._proxies: list[TcpProxy] = []

    def proxy(self, target_port: int) -> "TcpProxy":
        """A new one, listening; it need not be able to reach the target yet."""
        proxy = TcpProxy(self, target_port)
        self._proxies.append(proxy)
        return proxy

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(CALL_TIMEOUT_S)

    def call(self, function: Callable[[], None]) -> None:
        async def called() -> None:
            function()

        self.run(called())

    def close(self) -> None:
        for proxy in self._proxies:
            self.run(proxy.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CALL_TIMEOUT_S)
        self.loop.close()


class TcpProxy:
    """Passes bytes on, until it is told otherwise."""

    def __init__(self, thread: ProxyThread, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._thread = thread
        self._is_cut = False
        self._delay_s = 0.0
        self._there: asyncio.Event
        self._back: asyncio.Event
        self.ended = 0
        """Connections that it ended or did not take, because it was told to."""
        self.blocked_bytes = 0
        """Held back while nothing was to get through."""
        self.delayed_bytes = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._server = thread.run(self._start())

    @property
    def is_used(self) -> bool:
        """Somebody is connected."""
        return bool(self._connections)

    def cut(self) -> None:
        """Ends every connection, and new ones at once."""

        def cut() -> None:
            self._is_cut = True
            self.ended += len(self._connections)
            for connection in self._connections:
                connection.cancel()

        self._thread.call(cut)

    def half_open(self) -> None:
        """Connections stay, and new ones are taken, but nothing gets through."""

        def half_open() -> None:
            self._there.clear()
            self._back.clear()

        self._thread.call(half_open)

    def one_way(self, *, there: bool) -> None:
        """As half_open, but for the one way only: towards the target, or back from it."""
        self._thread.call(self._there.clear if there else self._back.clear)

    def slow(self, delay_s: float) -> None:
        """Whatever arrives waits for so long before it goes on."""
        self._delay_s = delay_s

    def mend(self) -> None:
        """As in the beginning."""

        def mend() -> None:
            self._is_cut = False
            self._delay_s = 0.0
            self._there.set()
            self._back.set()

        self._thread.call(mend)

    async def close(self) -> None:
        self._server.close()
        # A connection that was just taken becomes a task a turn later.
        for _ in range(3):
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await asyncio.sleep(0)

    async def _start(self) -> asyncio.Server:
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()
        return await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # One that is cancelled before it began runs no `finally`.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            if self._is_cut:
                self.ended += 1
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(back)
            pumps = [
                asyncio.ensure_future(self._pump(reader, back, self._there)),
                asyncio.ensure_future(self._pump(there, writer, self._back)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            return  # the caller sees its connection end
        finally:
            for each in writers:
                each.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(READ_BYTES):
                if not flows.is_set():
                    self.blocked_bytes += len(data)
                    await flows.wait()
                if self._delay_s:
                    self.delayed_bytes += len(data)
                    await asyncio.sleep(self._delay_s)
                sink.write(data)
                await sink.drain()
