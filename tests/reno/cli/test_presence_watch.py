"""The watcher in the terminal against real replicas."""

import asyncio

import pytest

from reno.cli.doors import backend_metadata
from reno.cli.fault import Fault
from reno.cli.presence_watch import PresenceWatch
from reno.config.settings import PresenceSettings, ServerSettings, Settings
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_ONLINE,
    PRESENCE_STATE_UNKNOWN,
    MemberPresence,
)
from tests.presence.attaching import HandAttached, began, hello, lease_stub
from tests.servers.nats import free_port
from tests.servers.presence import presence_role, until


def settings(port: int) -> Settings:
    presence = PresenceSettings(
        listen=f"127.0.0.1:{port}",
        listen_internal="127.0.0.1:0",
        lease_s=60,
        watch_debounce_s=0.1,
        watch_alive_s=0.5,
    )
    return Settings(presence=presence, server=ServerSettings(drain_s=0.5))


async def test_says_each_change_once_and_comes_back_to_a_replica_that_was_started_again() -> None:
    port = free_port()
    said: list[tuple[int, list[str]]] = []

    def say(member: MemberPresence) -> None:
        said.append((member.state, [device.device_id for device in member.devices]))

    watch = PresenceWatch(f"127.0.0.1:{port}", backend_metadata("tests"), ["anna"], say)
    watching = asyncio.create_task(watch.run())
    unknown: tuple[int, list[str]] = (PRESENCE_STATE_UNKNOWN, [])
    online: tuple[int, list[str]] = (PRESENCE_STATE_ONLINE, ["tv-1"])
    try:
        async with presence_role(settings(port)) as role:
            await until(lambda: said == [unknown])
            async with lease_stub(role.addresses["presence_internal"]) as stub:
                await HandAttached(stub).say(hello=hello(), began=[began(1)])
                await until(lambda: said == [unknown, online])
        async with presence_role(settings(port)):
            await until(lambda: said == [unknown, online, unknown])
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_gives_up_where_coming_back_would_not_help() -> None:
    port = free_port()
    async with presence_role(settings(port)):
        watch = PresenceWatch(f"127.0.0.1:{port}", (), ["anna"], print)
        with pytest.raises(Fault, match="reno-source"):
            await asyncio.wait_for(watch.run(), 20)
