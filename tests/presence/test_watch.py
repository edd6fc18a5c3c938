"""The watch of a replica over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from presence.role import PresenceRole
from reno.config.settings import PresenceSettings, ServerSettings, Settings
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_OFFLINE,
    PRESENCE_STATE_ONLINE,
    PRESENCE_STATE_UNKNOWN,
    WatchRequest,
    WatchResponse,
)
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub
from tests.faults.readers import SMALL_WINDOW
from tests.presence.attaching import HandAttached, began, hello, lease_stub
from tests.servers.presence import presence_role, until


def quick(**changes: Any) -> Settings:
    own = {"listen": "127.0.0.1:0", "listen_internal": "127.0.0.1:0", "watch_debounce_s": 0.1}
    presence = PresenceSettings.model_validate({**own, "lease_s": 60, **changes})
    return Settings(presence=presence, server=ServerSettings(drain_s=0.5))


@dataclass
class Watcher:
    """Keeps what it was told."""

    call: Any
    frames: list[WatchResponse] = field(default_factory=list)

    async def read(self) -> WatchResponse:
        frame = await asyncio.wait_for(self.call.read(), 20)
        assert isinstance(frame, WatchResponse), (await self.call.code(), await self.call.details())
        self.frames.append(frame)
        return frame

    async def told(self) -> WatchResponse:
        """The next frame that is no mere sign of life."""
        async with asyncio.timeout(60):
            while not (frame := await self.read()).members:
                pass
            return frame

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Reads what is left; the status and the reason that it ends with."""
        async with asyncio.timeout(20):
            with suppress(grpc.aio.AioRpcError):
                while await self.call.read() is not grpc.aio.EOF:
                    pass
            details = str(await self.call.details())
            return await self.call.code(), details.partition(":")[0]


@asynccontextmanager
async def watching(
    role: PresenceRole, *requests: Sequence[str], options: Sequence[tuple[str, int]] = ()
) -> AsyncIterator[list[Watcher]]:
    async with grpc.aio.insecure_channel(role.addresses["presence"], options=options) as channel:
        stub = PresenceServiceStub(channel)
        who = (("reno-source", "tests"),)
        yield [
            Watcher(stub.Watch(WatchRequest(member_ids=members), metadata=who))
            for members in requests
        ]


def seen(frame: WatchResponse) -> dict[str, tuple[int, list[tuple[str, str]]]]:
    return {
        member.member_id: (
            member.state,
            [(device.device_id, device.gateway_id) for device in member.devices],
        )
        for member in frame.members
    }


async def test_says_what_holds_and_then_what_changes() -> None:
    async with (
        presence_role(quick()) as role,
        lease_stub(role.addresses["presence_internal"]) as stub,
        watching(role, ["anna", "ben", "anna"]) as [watcher],
    ):
        first = await watcher.read()
        assert seen(first) == dict.fromkeys(["anna", "ben"], (PRESENCE_STATE_UNKNOWN, []))
        assert len(first.members) == 2
        assert first.alive_interval == Duration(seconds=15)
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1)], snapshot_complete=True)
        told = seen(await watcher.told())
        assert told == {"anna": (PRESENCE_STATE_ONLINE, [("tv-1", "g1")])}
        await gateway.say(goodbye=True)
        assert seen(await watcher.told()) == {"anna": (PRESENCE_STATE_UNKNOWN, [])}


async def test_truthful_offline_is_said_once_a_whole_lease_has_passed() -> None:
    async with presence_role(quick(lease_s=1)) as role, watching(role, ["ben"]) as [watcher]:
        assert seen(await watcher.read()) == {"ben": (PRESENCE_STATE_UNKNOWN, [])}
        assert seen(await watcher.told()) == {"ben": (PRESENCE_STATE_OFFLINE, [])}


async def test_a_device_that_takes_its_own_place_is_not_told() -> None:
    async with (
        presence_role(quick()) as role,
        lease_stub(role.addresses["presence_internal"]) as stub,
    ):
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), began=[began(1), began(2, "ben")], snapshot_complete=True)
        async with watching(role, ["anna", "ben"]) as [watcher]:
            await watcher.read()
            await gateway.say(ended=[1, 2], began=[began(3)])
            assert list(seen(await watcher.told())) == ["ben"]


async def test_a_sign_of_life_comes_though_nothing_changes() -> None:
    async with (
        presence_role(quick(watch_alive_s=0.2)) as role,
        watching(role, ["anna"]) as [watcher],
    ):
        assert seen(await watcher.read()) == {"anna": (PRESENCE_STATE_UNKNOWN, [])}
        for _ in range(2):
            assert not (await watcher.read()).members


async def test_bounded_watches_and_members_have_limits() -> None:
    async with (
        presence_role(quick(max_watches=2, max_watched_members=3)) as role,
        AsyncExitStack() as stack,
    ):

        async def opened(*members: str) -> Watcher:
            [watcher] = await stack.enter_async_context(watching(role, [*members]))
            return watcher

        full = (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL")
        await (await opened("anna")).read()
        assert await (await opened("a", "b", "c")).end() == full
        two = await opened("anna", "ben")
        await two.read()
        assert await (await opened("carl")).end() == full
        two.call.cancel()
        await until(lambda: len(role._watches) == 1)
        assert role._table.watched == {b"\0anna"}
        async with watching(role, ["carl"]) as [again]:
            await again.read()


async def test_bounded_a_watcher_that_does_not_read_is_let_go() -> None:
    """Isolated: the other one is told meanwhile."""
    long_names = [f"{number:0128}" for number in range(1000)]
    settings = quick(watch_stalled_after_s=0.5, watch_alive_s=0.1)
    async with (
        presence_role(settings) as role,
        lease_stub(role.addresses["presence_internal"]) as stub,
        watching(role, ["anna"]) as [reading],
        watching(role, long_names, options=SMALL_WINDOW) as [stalled],
    ):
        gateway = HandAttached(stub)
        await gateway.say(hello=hello(), snapshot_complete=True)
        await reading.read()
        number = 0
        while len(role._watches) == 2:
            number += 1
            places = [began(n, name, "d") for n, name in enumerate(long_names, 1)]
            on = number % 2 == 1
            await gateway.say(**{"began": places} if on else {"ended": range(1, 1001)})
            await reading.read()
            await asyncio.sleep(0.15)
        assert await stalled.end() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STALLED")


@pytest.mark.parametrize("how", ["drain", "life"])
async def test_a_watch_ends_with_a_word_to_come_back(how: str) -> None:
    async with (
        presence_role(quick(watch_life_s=0.5 if how == "life" else 3600)) as role,
        watching(role, ["anna"]) as [watcher],
    ):
        await watcher.read()
        draining = asyncio.create_task(role.drain()) if how == "drain" else None
        assert await watcher.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        if draining:
            await draining


@pytest.mark.parametrize("members", [[], ["a"] * 1001, ["a b"]])
async def test_what_breaks_the_rule_is_refused(members: list[str]) -> None:
    async with presence_role(quick()) as role, watching(role, members) as [watcher]:
        assert await watcher.end() == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")
