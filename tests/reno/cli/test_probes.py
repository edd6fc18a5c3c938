"""When the log counts as alive: an answer is enough, unless it could not write and now has room to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reno.adapters import nats_server
from reno.cli import probes
from reno.cli.probes import LogProbe

TIMEOUT_S = 5.0
WRITE_ERROR = "JetStream stream '$G > RENO_HIGH' write error: write 2.blk: no space left on device"


@asynccontextmanager
async def monitor(status: int, error: str) -> AsyncIterator[int]:
    """Answers every question as nats-server's monitor does; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        ok = status == 200 or b"js-enabled-only" in path
        body = json.dumps({"status": "ok"} if ok else {"status": "unavailable", "error": error})
        head = f"HTTP/1.0 {200 if ok else status} -\r\nContent-Type: application/json\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        writer.write(body.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("status", "error", "room_bytes", "alive"),
    [
        (200, "", 0, True),
        (503, "JetStream is not current", 0, True),
        (503, WRITE_ERROR, 0, False),
        (503, WRITE_ERROR, 1 << 60, True),
    ],
    ids=["well", "not yet", "stuck and room", "stuck and no room"],
)
async def test_a_log_that_could_not_write_is_started_again_when_there_is_room(
    status: int,
    error: str,
    room_bytes: int,
    alive: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "ROOM_BYTES", room_bytes)
    async with monitor(status, error) as port:
        probe = LogProbe("127.0.0.1", port, tmp_path, TIMEOUT_S)
        assert await probe.alive() is alive
        assert await probe.ready()
        assert await nats_server.trouble(f"http://127.0.0.1:{port}", TIMEOUT_S) == error


async def test_a_log_that_does_not_answer_is_not_alive(tmp_path: Path) -> None:
    async with monitor(200, "") as port:
        pass
    probe = LogProbe("127.0.0.1", port, tmp_path, TIMEOUT_S)
    assert not await probe.alive()
    assert not await probe.ready()
    assert await nats_server.trouble(f"http://127.0.0.1:{port}", TIMEOUT_S) == ""
