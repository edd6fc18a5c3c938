"""The mesh of one history: what is kept, which processes run, and what a person or a fault may do to them."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.lanes import Lanes
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import batch_of
from gateway.ingestion.results import Results
from processor.owner import Owner
from processor.stopping import Stopping
from reno.adapters.gathered_lookup import GatheredLookup
from reno.domain.identity import Backend, Device
from reno.domain.member import shard_of
from reno.domain.priority import Priority
from reno.errors import RenoError
from reno.ports import LaneInfo, Shard, shards_of_lane
from reno.v1.event_pb2 import Event
from tests.simulation.gateways import Gateway
from tests.simulation.kept import KeptInbox, KeptLog
from tests.simulation.kernel import Kernel, Process
from tests.simulation.mix import CATALOGUE, Mix
from tests.simulation.network import Network
from tests.simulation.ports import DeliverPort, InboxPort, LogPort, LookupPort
from tests.simulation.replicas import Replica

BACKEND = Backend("", "app")


@dataclass(slots=True)
class Published:
    """One event as its backend knows it; `answer` None: never heard of again."""

    door: str
    event: Event
    lane: Priority
    answer: int | Refusal | None = None


class Door:
    """One start of one ingestion door."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.process = Process(world.kernel, name)
        self._world = world
        self.process.run(self._start)

    def _start(self) -> None:
        world = self._world
        log = LogPort(world, self.process)
        lanes = Lanes(log)
        lanes._known = dict.fromkeys(Priority, LaneInfo(0, world.mix.shards))
        self._door = IngestionDoor(
            world.mix.settings,
            CATALOGUE,
            log,
            lanes,
            now_ns=world.kernel.clock_ns,
            now_s=world.kernel.time,
        )
        self._door.is_open = True

    def publish(self, published: list[Published]) -> None:
        def answered(results: Results) -> None:
            for each, answer in zip(published, results.answers, strict=True):
                each.answer = answer

        def take() -> None:
            batch = batch_of([each.event for each in published])
            self._door.take(BACKEND, batch).when_answered(answered)

        self.process.run(take)


class Processor:
    """One start of one processor, an owner of every shard: as many as there are believe that they own them all."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.process = Process(world.kernel, name)
        self._world = world
        self._stopping = self.process.run(Stopping)
        self._lookup = GatheredLookup(LookupPort(world, self.process))
        self._tasks = [self.process.spawn(self._own(shard)) for shard in world.shards]

    async def _own(self, shard: Shard) -> None:
        world, process = self._world, self.process
        await Owner(
            shard,
            0,
            world.mix.settings.processor,
            LogPort(world, process),
            InboxPort(world, process),
            self._lookup,
            DeliverPort(world, process),
            self._stopping,
        ).run()

    def stop(self) -> None:
        """SIGTERM: it finishes what it holds."""
        self.process.run(self._stopping.say)

    @property
    def has_ended(self) -> bool:
        return all(task.done() for task in self._tasks)

    def check(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error


class World:
    """See the module's first line."""

    def __init__(self, mix: Mix, random: Random, kernel: Kernel, trace: Callable[..., None]):
        self.mix = mix
        self.random = random
        self.kernel = kernel
        self.lanes = frozenset(mix.lanes)
        self.shards = [shard for lane in mix.lanes for shard in shards_of_lane(lane, mix.shards)]
        self.network = Network(random, mix.faults, trace)
        self.log = KeptLog(mix.log_bytes, lambda: random.random() < 0.2)
        self.inbox = KeptInbox(mix.shards)
        self.replicas = [Replica(kernel, f"presence-{n}") for n in range(mix.replicas)]
        self.gateways: dict[str, Gateway] = {}
        self.processors: dict[str, Processor] = {}
        self.doors: dict[str, Door] = {}
        self.published: list[Published] = []
        self.ended_gateways: list[Gateway] = []
        self._starts = 0
        for number in range(mix.gateways):
            self.start_gateway(f"gateway-{number}")
        for number in range(mix.processors):
            self.processors[f"processor-{number}"] = Processor(self, f"processor-{number}")
        for number in range(mix.doors):
            self.doors[f"door-{number}"] = Door(self, f"door-{number}")

    def log_clock_ms(self) -> int:
        """The log's server's: it jitters, and goes back."""
        return self.kernel.now_ms + self.random.randint(-60, 60)

    def marks_of(self, device: Device) -> dict[Priority, int]:
        number = shard_of(device.member_key, self.mix.shards)
        return {
            lane: self.inbox.mark(Shard(lane, number, self.mix.shards)) for lane in self.mix.lanes
        }

    def start_gateway(self, name: str) -> None:
        # The epoch is its clock: a start comes after the one before it.
        self.kernel.advance(self.kernel.now_s + 0.001)
        skew_ms = self.mix.skew_ms if name.endswith("1") else 0
        process = Process(self.kernel, name, skew_ms)
        self.gateways[name] = Gateway(self, name, process, self.mix.settings)

    def kill_gateway(self, name: str) -> None:
        gateway = self.gateways.pop(name)
        self.ended_gateways.append(gateway)
        gateway.process.kill()
        self.network.caller_died(gateway.process)
        for connection in gateway.connections:
            connection.break_off(self.random.randint(0, len(connection.on_the_way)))

    def restart_processor(self, name: str) -> None:
        self.processors[name].process.kill()
        self.network.caller_died(self.processors[name].process)
        self.processors[name] = Processor(self, name)

    def restart_door(self, name: str) -> None:
        self.doors[name].process.kill()
        self.network.caller_died(self.doors[name].process)
        self.doors[name] = Door(self, name)

    def publish(self, door: str, events: list[tuple[Event, Priority]]) -> None:
        published = [Published(door, event, lane) for event, lane in events]
        try:
            self.doors[door].publish(published)
        except RenoError:
            return
        self.published += published

    def processes(self) -> list[Process]:
        return [
            *(each.process for each in self.gateways.values()),
            *(each.process for each in self.processors.values()),
            *(each.process for each in self.doors.values()),
        ]

    def check(self) -> None:
        """What no process may do at any time."""
        if self.kernel.failures:
            raise self.kernel.failures[0]
        for processor in self.processors.values():
            processor.check()
