"""What HTTP/2 asks of a server, by h2spec."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reno.server.http2 import admission
from reno.server.http2.metadata import Headers
from reno.server.http2.request import Request, request_of
from tests.clients.go_tools import ROOT, need_go, run
from tests.reno.server.http2.peer import serving

# The first build fetches and compiles its modules.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def h2spec() -> Path:
    """The script builds it with Go on its first call."""
    need_go()
    script = ROOT / "scripts" / "h2spec"
    subprocess.run([script, "--version"], check=True, timeout=550, capture_output=True)
    return script


def as_grpc(headers: Headers) -> Request:
    """h2spec knows no gRPC: whatever it asks for is this call."""
    return replace(
        request_of(headers), method=b"POST", path="/t/Both", content_type=b"application/grpc"
    )


async def speak(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    async for _ in requests:
        pass
    yield b"answer"


async def test_every_case(h2spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "request_of", as_grpc)
    async with asyncio.timeout(120), serving(both=speak, max_concurrent_streams=100) as server:
        said = await run(h2spec, "-h", "127.0.0.1", "-p", str(server.port), "-o", "10")
    assert said.code == 0, said.stdout
    assert " 0 skipped, 0 failed" in said.stdout
