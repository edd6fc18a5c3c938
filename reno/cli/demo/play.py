"""Plays the scenes on a running stage and waits, scene by scene, until every device has what the script expects."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from reno.catalogue.catalogue import Catalogue
from reno.cli.demo.checking import faults, is_complete
from reno.cli.demo.script import FROZEN_TV, OFF_TV, DemoDevice, DemoEvent, Script, expected_for
from reno.cli.demo.stage import Backstage
from reno.cli.fault import Fault
from reno.v1.presence_service_pb2 import GetPresenceRequest
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub

ARRIVAL_TIMEOUT_S = 60.0
"""Longer than the interval at which every session looks into its inbox by itself."""
POLL_S = 0.1
FLOOD_PARTS = 20
KILL_PARTS = 10


@dataclass(frozen=True, slots=True)
class SceneResult:
    """Expected and seen count an event once for each device that must see it; what was merged counts as seen."""

    name: str
    title: str
    expected: int
    seen: int
    note: str = ""

    @property
    def is_right(self) -> bool:
        """Every expected arrival was seen."""
        return self.expected == self.seen


@dataclass
class Verdict:
    """All scenes, and what is wrong device by device."""

    scenes: list[SceneResult] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Exit status 0."""
        return not self.faults and all(scene.is_right for scene in self.scenes)


class Narrator(Protocol):
    """Who shows the play."""

    def begins(self, title: str) -> None:
        """A scene starts."""
        ...

    def watches(self, stage: Backstage) -> None:
        """Called often: what the devices have so far may be shown."""
        ...

    def ends(self, result: SceneResult) -> None:
        """A scene is over."""
        ...


class Play:
    """One performance."""

    def __init__(
        self, stage: Backstage, script: Script, catalogue: Catalogue, narrator: Narrator
    ) -> None:
        self._stage = stage
        self._script = script
        self._catalogue = catalogue
        self._narrator = narrator
        self._published: list[DemoEvent] = []

    async def perform(self) -> Verdict:
        """Raises grpc.aio.AioRpcError when the door does not answer, Fault when devices do not come online."""
        listening = [one for one in self._script.devices if one != self._script.pulling]
        self._narrator.begins("Nine devices come online")
        for device in listening:
            await self._stage.turn_on(device)
        await self._until_online(listening)
        verdict = Verdict()
        for name, act in self._acts().items():
            verdict.scenes.append(await self._act(name, act, listening))
        verdict.scenes.append(await self._last_act())
        for device in self._script.devices:
            expected = expected_for(device, self._published, self._catalogue)
            wrong = faults(expected, self._stage.seen(device), device.device_class, self._catalogue)
            if wrong:
                verdict.faults[device.name] = wrong
        return verdict

    def _acts(self) -> dict[str, Callable[[], Awaitable[str]]]:
        return {
            "first": self._plain("first"),
            "six": self._plain("six"),
            "off": self._television_off,
            "flood": self._flood,
            "gates": self._plain("gates"),
            "slow": self._slow_television,
            "kill": self._kill_the_gateway,
        }

    async def _act(
        self, name: str, act: Callable[[], Awaitable[str]], devices: list[DemoDevice]
    ) -> SceneResult:
        scene = self._script.scenes[name]
        self._narrator.begins(scene.title)
        already = len(self._published)
        note = await act()
        await self._until_complete(devices)
        result = self._result(name, scene.title, devices, already, note)
        self._narrator.ends(result)
        return result

    async def _last_act(self) -> SceneResult:
        title, watch = (
            "anna's watch never subscribed: it pulls all that is kept",
            self._script.pulling,
        )
        self._narrator.begins(title)
        await self._stage.pull(watch)
        result = self._result("pull", title, [watch], 0)
        self._narrator.ends(result)
        return result

    def _plain(self, name: str) -> Callable[[], Awaitable[str]]:
        async def publish() -> str:
            await self._publish(self._script.scenes[name].events)
            return ""

        return publish

    async def _television_off(self) -> str:
        await self._stage.turn_off(OFF_TV)
        await self._publish(self._script.scenes["off"].events)
        await self._until_complete([DemoDevice("anna", "phone", "phone")])
        missed = len(self._stage.seen(OFF_TV))
        await self._stage.turn_on(OFF_TV)
        await self._until_complete([OFF_TV])
        return f"{len(self._stage.seen(OFF_TV)) - missed} notifications when it was on again"

    async def _flood(self) -> str:
        flood = self._script.scenes["flood"].events
        (urgent,) = self._script.scenes["maturity"].events
        size = len(flood) // FLOOD_PARTS
        for part in range(FLOOD_PARTS):
            await self._publish(flood[part * size : (part + 1) * size])
            if part == FLOOD_PARTS // 2:
                await self._publish([urgent])
        television = DemoDevice("boris", "tv", "tv")
        await self._until_complete([television])
        seen = self._stage.seen(television)
        (arrived,) = [one for one in seen if one.event_id == urgent.event_id]
        waited_ms = arrived.received_at_ms - self._stage.sent_at_ms[urgent.event_id]
        after = sum(
            one.priority == "low" and one.received_at_ms > arrived.received_at_ms for one in seen
        )
        return f"the maturity change took {waited_ms:.0f} ms and overtook {after:,} low notifications on boris's TV"

    async def _slow_television(self) -> str:
        already = len(self._stage.seen(FROZEN_TV))
        self._stage.freeze(FROZEN_TV)
        await self._publish(self._script.scenes["slow"].events)
        await self._until_complete([DemoDevice("chen", "phone", "phone")])
        self._stage.thaw(FROZEN_TV)
        await self._until_complete([FROZEN_TV])
        came = self._stage.seen(FROZEN_TV)[already:]
        return f"{len(came)} notifications stood for {sum(1 + one.merged for one in came)} events"

    async def _kill_the_gateway(self) -> str:
        events = self._script.scenes["kill"].events
        size = len(events) // KILL_PARTS
        victim = self._stage.pid("gateway")
        for part in range(KILL_PARTS):
            if part == KILL_PARTS // 2:
                os.kill(victim, signal.SIGKILL)
            await self._publish(events[part * size : (part + 1) * size])
        return f"process {victim} was killed after {KILL_PARTS // 2 * size} of {len(events)} events"

    async def _publish(self, events: Iterable[DemoEvent]) -> None:
        batch = list(events)
        self._published += batch
        await self._stage.publish(batch)

    def _result(
        self, name: str, title: str, devices: list[DemoDevice], first: int, note: str = ""
    ) -> SceneResult:
        """Of the events published since the `first`; what came for (type, merge key) before them is taken off."""
        expected = seen = 0
        for device in devices:
            wanted = expected_for(device, self._published[first:], self._catalogue)
            kinds = {(one.event_type, one.merge_key) for one in wanted}
            earlier = expected_for(device, self._published[:first], self._catalogue)
            came = (s for s in self._stage.seen(device) if (s.event_type, s.merge_key) in kinds)
            expected += len(wanted)
            seen += sum(1 + one.merged for one in came)
            seen -= sum((one.event_type, one.merge_key) in kinds for one in earlier)
        return SceneResult(name, title, expected, seen, note)

    async def _until_complete(self, devices: Iterable[DemoDevice]) -> None:
        """Gives up after ARRIVAL_TIMEOUT_S: the sums say then what is missing."""
        end = asyncio.get_running_loop().time() + ARRIVAL_TIMEOUT_S
        for device in devices:
            expected = expected_for(device, self._published, self._catalogue)
            while not is_complete(expected, self._stage.seen(device), self._catalogue):
                self._narrator.watches(self._stage)
                if asyncio.get_running_loop().time() > end:
                    return
                await asyncio.sleep(POLL_S)

    async def _until_online(self, devices: list[DemoDevice]) -> None:
        wanted = {(one.member, one.device) for one in devices}
        end = asyncio.get_running_loop().time() + ARRIVAL_TIMEOUT_S
        async with grpc.aio.insecure_channel(self._stage.address("presence")) as channel:
            stub = PresenceServiceStub(channel)
            while True:
                answer = await stub.GetPresence(
                    GetPresenceRequest(member_ids=self._script.members),
                    metadata=(("reno-source", "demo"),),
                    timeout=ARRIVAL_TIMEOUT_S,
                )
                online = {(m.member_id, d.device_id) for m in answer.members for d in m.devices}
                missing = wanted - online
                if not missing:
                    return
                if asyncio.get_running_loop().time() > end:
                    names = ", ".join(sorted("/".join(one) for one in missing))
                    raise Fault(f"not online after {ARRIVAL_TIMEOUT_S:.0f} s: {names}")
                await asyncio.sleep(POLL_S)
