"""Channels between the rooms, over real connections."""

import asyncio

import grpc

from reno.adapters.channels import open_channel
from tests.servers.proxy import ProxyThread

DELAY_S = 1.5
"""More than a near machine takes, and what a far or a busy one may."""


async def test_a_peer_that_is_far_away_is_reached() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    proxies = ProxyThread()
    way = proxies.proxy(port)
    way.slow(DELAY_S)
    try:
        async with open_channel(f"127.0.0.1:{way.port}") as channel, asyncio.timeout(10):
            await channel.channel_ready()
    finally:
        proxies.close()
        await server.stop(None)
