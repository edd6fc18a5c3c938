"""deploy/healthy.py against a real server."""

import asyncio
import sys

import pytest

from reno.config.settings import ServerSettings
from reno.server.grpc_server import GrpcServer
from reno.server.identity import nobody
from tests.house.tree import ROOT


async def code_of(*args: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, ROOT / "deploy" / "healthy.py", *args
    )
    return await process.wait()


@pytest.mark.parametrize(("is_ready", "code"), [(True, 0), (False, 1)])
async def test_it_says_what_the_service_says(is_ready: bool, code: int) -> None:
    server = GrpcServer(
        ServerSettings(), "127.0.0.1:0", [], nobody, public=False, max_receive_bytes=1024
    )
    await server.start()
    await server.ready("reno.v1.Some", is_ready)
    try:
        assert await code_of(server.address, "reno.v1.Some") == code
        assert await code_of(server.address) == 0
    finally:
        await server.stop()


async def test_nobody_there_is_not_healthy() -> None:
    assert await code_of("127.0.0.1:1", "reno.v1.Some") == 1
