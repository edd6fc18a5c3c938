"""The processor role with its real port, over a log in memory."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from processor.resharding import Resharding
from processor.role import INBOX_SERVICE, ProcessorRole
from reno.adapters.memory_inbox import MemoryInbox
from reno.adapters.memory_log import MemoryLog
from reno.adapters.memory_roster import MemoryRoster
from reno.config.settings import InboxSettings, ProcessorSettings, Settings
from reno.domain.member import member_key, shard_of
from reno.domain.priority import Priority
from reno.ports import EnvelopeWrite, LaneInfo, LogAbsent, Shard
from reno.ports import Slice as PortSlice
from reno.v1.event_pb2 import PRIORITY_HIGH
from reno.v1.inbox_service_pb2 import ReadRequest, Slice
from reno.v1.inbox_service_pb2_grpc import InboxServiceStub
from tests.processor.records import envelope, row
from tests.processor.surroundings import G1, Gateways, Presence

SETTINGS = Settings(processor=ProcessorSettings(retry_s=0.02, listen_internal="127.0.0.1:0"))
SHARED = Settings(
    processor=SETTINGS.processor.model_copy(update={"shards": "shared", "lease_s": 0.5}),
    inbox=InboxSettings(engine="cassandra"),
)
SHARDS = 2


class LateLog(MemoryLog):
    is_there = False
    asked = 0

    async def open_lane(self, priority: Priority) -> LaneInfo:
        self.asked += 1
        if not self.is_there:
            raise LogAbsent("told to be away")
        return await super().open_lane(priority)


class World:
    def __init__(self) -> None:
        self.log = LateLog(shards=SHARDS)
        self.gateways = Gateways()
        self.inbox = MemoryInbox(SHARDS)
        self.roster = MemoryRoster()
        self.opened: list[int] = []
        self.published = 0
        self.is_synced = True
        self.role = self.new_role(SETTINGS)

    def new_role(self, settings: Settings) -> ProcessorRole:
        return ProcessorRole(
            settings,
            Priority.HIGH,
            self.log,
            self.open_inbox,
            Presence(anna=[G1], ben=[G1]),
            self.gateways,
            self.synced,
            self.roster,
        )

    def open_inbox(self, shards: int) -> MemoryInbox:
        self.opened.append(shards)
        return self.inbox

    async def synced(self) -> bool:
        return self.is_synced

    async def publish(self, member: str, event_id: str) -> None:
        shards = (await self.log.lane(Priority.HIGH)).shards
        shard = Shard(Priority.HIGH, shard_of(member_key("", member), shards), shards)
        self.published += 1
        payload = envelope(self.published, [row(member, event_id)])
        await self.log.append(shard, payload, member + event_id, 1.0)

    async def publish_to(self, members: Sequence[str], event_id: str) -> None:
        for member in members:
            await self.publish(member, event_id)

    def delivered(self) -> int:
        return sum(len(call.rows) for call in self.gateways.answered)

    async def until_processed(self) -> None:
        async with asyncio.timeout(10):
            for number in range(SHARDS):
                while await self.log.lag(Shard(Priority.HIGH, number, SHARDS)):
                    await asyncio.sleep(0.01)


async def health_of(channel: grpc.aio.Channel) -> str:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=INBOX_SERVICE))
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def until_health(channel: grpc.aio.Channel, expected: str) -> None:
    async with asyncio.timeout(10):
        while await health_of(channel) != expected:
            await asyncio.sleep(0.01)


async def test_it_waits_for_the_log_then_owns_every_shard_and_serves_the_inbox() -> None:
    world = World()
    await world.role.start()
    async with grpc.aio.insecure_channel(world.role.addresses["inbox"]) as channel:
        stub = InboxServiceStub(channel)
        request = ReadRequest(
            priority=PRIORITY_HIGH,
            slices=[
                Slice(member_id=member, max_rows=10, max_bytes=1 << 20)
                for member in ("anna", "ben")
            ],
        )
        async with asyncio.timeout(10):
            while world.log.asked < 3:
                await asyncio.sleep(0.01)
        assert await health_of(channel) == "NOT_SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Read(request)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

        world.log.is_there = True
        await until_health(channel, "SERVING")
        assert world.opened == [SHARDS]
        members = [f"m-{number}" for number in range(8)]
        for member in (*members, "anna", "ben"):
            await world.publish(member, "e-1")
        async with asyncio.timeout(10):
            while sum(len(call.rows) for call in world.gateways.answered) < 2:
                await asyncio.sleep(0.01)
        pages = (await stub.Read(request)).pages
        assert [len(page.rows) for page in pages] == [1, 1]
    await world.role.drain()
    for number in range(SHARDS):
        assert await world.log.lag(Shard(Priority.HIGH, number, SHARDS)) == 0


async def test_it_is_not_serving_over_a_log_that_does_not_sync() -> None:
    world = World()
    world.log.is_there = True
    world.is_synced = False
    await world.role.start()
    async with grpc.aio.insecure_channel(world.role.addresses["inbox"]) as channel:
        async with asyncio.timeout(10):
            while not world.opened:
                await asyncio.sleep(0.01)
        assert await health_of(channel) == "NOT_SERVING"
        world.is_synced = True
        await until_health(channel, "SERVING")
    await world.role.drain()


async def test_it_serves_over_a_log_that_does_not_sync_where_the_settings_say_so() -> None:
    world = World()
    world.log.is_there = True
    world.is_synced = False
    log = SETTINGS.log.model_copy(update={"require_synced": False})
    world.role = world.new_role(SETTINGS.model_copy(update={"log": log}))
    await world.role.start()
    async with grpc.aio.insecure_channel(world.role.addresses["inbox"]) as channel:
        await until_health(channel, "SERVING")
    await world.role.drain()


async def test_it_drains_before_the_log_was_ever_there() -> None:
    world = World()
    await world.role.start()
    await world.role.drain()
    assert not world.opened


async def test_shards_that_are_shared_go_to_who_is_there() -> None:
    """Durable, Ordered: what one lets go of is delivered and purged, and the next one goes on."""
    world = World()
    world.log.is_there = True
    first, second = world.new_role(SHARED), world.new_role(SHARED)
    members = [f"m-{number}" for number in range(8)]
    await first.start()
    async with grpc.aio.insecure_channel(first.addresses["inbox"]) as channel:
        await until_health(channel, "SERVING")
        await world.publish_to(members, "e-1")
        await second.start()
        async with grpc.aio.insecure_channel(second.addresses["inbox"]) as another:
            await until_health(another, "SERVING")
        await world.publish_to(members, "e-2")
        await world.until_processed()
        await first.drain()
        await world.publish_to(members, "e-3")
        await world.until_processed()
    await second.drain()
    slices = [PortSlice("", member, "", 0, 10, 1 << 20) for member in members]
    pages = await world.inbox.read(Priority.HIGH, slices, 0)
    assert [len(page.rows) for page in pages] == [3] * len(members)


async def test_a_defect_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        raise RuntimeError("a defect")

    world = World()
    world.log.is_there = True
    monkeypatch.setattr(world.inbox, "append", broken)
    await world.role.start()
    await world.log.open_lane(Priority.HIGH)
    await world.publish("anna", "e-1")
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(world.role.wait(), 10)
    await world.role.drain()


@pytest.mark.parametrize("settings", [SETTINGS, SHARED], ids=["all", "shared"])
async def test_a_lane_with_another_number_of_shards_is_gone_on_with(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordered: what the old shards hold is stored and delivered before the new ones begin. Nobody is told that anything was lost."""
    monkeypatch.setattr("processor.role.LOOK_S", 0.05)
    world = World()
    world.log.is_there = True
    role = world.new_role(settings)
    await role.start()
    async with grpc.aio.insecure_channel(role.addresses["inbox"]) as channel:
        await until_health(channel, "SERVING")
        for number, shards in enumerate((5, 1, SHARDS)):
            for member in ("anna", "ben"):
                await world.publish(member, f"e-{number}")
            await Resharding(Priority.HIGH, world.log, world.inbox, print, patience_s=10).run(
                shards
            )
            assert world.delivered() == 2 * (number + 1), "all before it opened"
        async with asyncio.timeout(10):
            while world.opened != [SHARDS, 5, 1, SHARDS]:
                await asyncio.sleep(0.01)
        await until_health(channel, "SERVING")
        await world.publish("anna", "e-3")
        async with asyncio.timeout(10):
            while world.delivered() != 7:
                await asyncio.sleep(0.01)
    await role.drain()
    positions = [row.position for call in world.gateways.answered for row in call.rows]
    pairs = [sorted(positions[at : at + 2]) for at in range(0, 7, 2)]
    assert [each for pair in pairs for each in pair] == sorted(positions)
