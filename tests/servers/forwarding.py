"""A server under another address of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def forwarding(host: str, port: int, target_port: int) -> AsyncIterator[None]:
    """What listens on 127.0.0.1 and `target_port` listens there too, for as long as this lasts."""
    pumps: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
        finally:
            sink.transport.abort()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target_port)
        pumps.update(asyncio.create_task(pump(*ends)) for ends in ((reader, back), (there, writer)))

    server = await asyncio.start_server(accept, host, port)
    try:
        yield
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
