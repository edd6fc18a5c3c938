"""Everybody who uses the installation during a run: backends, devices of every habit, probes; and what they are still owed at its end."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.faults import probes
from tests.faults.backends import Backend
from tests.faults.calls import connected
from tests.faults.device_log import DeviceLog, Habits
from tests.faults.ground import Ground
from tests.faults.layout import SILENCE_S
from tests.faults.oplog import OpLog
from tests.faults.readers import LONG_AWAY, Puller, Subscriber
from tests.faults.traffic import CLASSES, Choice, Sent, required

LEAST_BATCH, BATCHES_PER_S = 20, 20
"""A backend's batches are as small as the one, and as few as the other."""

PADDING_BYTES = 200
HEAVY_BYTES = 3000
READY_WITHIN_S = 120.0
OFFLINE, ONLINE = 12, 12
"""Members that nobody listens for, and members with a TV and a phone."""

HEAVY = OFFLINE + 4
"""Whose events are large: one of its devices stops to read."""

SHARES = {1: 0.4, 2: 0.3, 3: 0.3}
"""Of the rate, by lane."""

HABITS = {
    "eager": Habits(),
    "seldom": Habits(keeps_every=4, forgets=0.7),
    "flapping": Habits(stays_s=(0.2, 1.0), away_s=(0.1, 0.4), keeps_every=2, forgets=0.3),
    "away": Habits(stays_s=(2.0, 4.0), away_s=(18.0, 22.0)),
    "stalling": Habits(stalls_s=12.0),
    "latest": Habits(start="latest"),
    "twin": Habits(),
    "told": Habits(stays_s=(2.0, 6.0), is_told_by_server=True),
    "pulling": Habits(keeps_every=2, forgets=0.5, page_size=20),
    "audit": Habits(),
}
ASSIGNED = ("eager", "seldom", "eager", "eager", "seldom", "flapping", "eager", "away", "stalling", "latest", "told", "eager")  # fmt: skip
"""To the online members' devices in turn."""

CONDITIONS = {
    "flapping devices": "LEFT",
    "stalled devices let go": "STALLED",
    "sessions replaced": "REPLACED",
    "cursors acknowledged": "ACKNOWLEDGED",
    "devices back after long": LONG_AWAY,
}
"""What a run has by its devices' habits, and the word by which it is counted."""


class Population:
    """`start` begins, `settle` ends the publishing and waits for what is owed, `close` ends everything."""

    def __init__(self, ground: Ground, directory: Path, seed: str, rate: float) -> None:
        self._ground = ground
        self._directory = directory
        self._rate = rate
        self.members = [f"m{n}" for n in range(OFFLINE + ONLINE)]
        padding = dict.fromkeys(self.members, PADDING_BYTES)
        padding[self.members[HEAVY]] = HEAVY_BYTES
        self._op_logs: list[OpLog] = []
        self._ending = asyncio.Event()
        self._publishing: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []
        door = ground.place(ground.layout.door_link)
        self._backends = [
            Backend(
                door,
                f"b{lane}",
                Choice(f"b{lane}", lane, padding, f"{seed}/{lane}"),
                self._op_log(f"publish-b{lane}"),
                max(LEAST_BATCH, int(rate * share / BATCHES_PER_S)),
            )
            for lane, share in SHARES.items()
        ]
        self.prober = probes.Prober(door, self._op_log("publish-probe"))
        self._clients: list[Subscriber | Puller] = []
        self._audits: list[Puller] = []
        self._make_devices()

    def counts(self) -> Counter[str]:
        """Of events, by what became of a try."""
        return _sum(backend.counts for backend in (*self._backends, self.prober))

    def tallies(self) -> Counter[str]:
        """Of the devices' streams: opened, frames, and how they ended."""
        return _sum(client.log.tally.counts for client in self._clients)

    def clock_marks(self) -> int:
        """Answers that only a wrong clock gives."""
        counts = self.counts()
        return counts["STALE"] + counts["FUTURE_TIME"] + self.tallies()["wrong clock"]

    async def start(self) -> None:
        """Returns when every device that listens was told that it is current."""
        self._reading += [asyncio.create_task(client.run()) for client in self._clients]
        listening = [one.log.tally for one in self._clients if one.log.habits == HABITS["eager"]]
        is_current = await self.wait(lambda: all(t.caught_up for t in listening), READY_WITHIN_S)
        assert is_current, "devices are not current"
        for backend, share in zip(self._backends, SHARES.values(), strict=True):
            publishing = backend.publish(self._ending, self._rate * share)
            self._publishing.append(asyncio.create_task(publishing))
        self._publishing.append(asyncio.create_task(self.prober.run(self._ending)))

    async def settle(self, within_s: float) -> list[str]:
        """No more is published. Waits until every device, and an end reader for each member, has what it is owed; says who has not in time. What is missing is the checker's to say."""
        self._ending.set()
        for client in self._clients:
            if isinstance(client, Subscriber):
                client.stay()
        publishing = self._publishing
        if not await self.wait(lambda: all(t.done() for t in publishing), within_s):
            return ["not everything was published in time"]
        accepted: dict[str, list[Sent]] = {}
        for backend in (*self._backends, self.prober):
            for sent in backend.accepted.values():
                accepted.setdefault(sent.event.member_id, []).append(sent)
        until = time.monotonic() + within_s
        owed = [(client.log, self._owed(client, accepted)) for client in self._clients]
        await self._audit(accepted, until)
        await self.wait(
            lambda: all(has_it() for _, has_it in owed), max(1.0, until - time.monotonic())
        )
        return [f"{log.name} has not what it is owed" for log, has_it in owed if not has_it()]

    def _owed(
        self, client: Subscriber | Puller, accepted: dict[str, list[Sent]]
    ) -> Callable[[], bool]:
        log = client.log
        if log.habits.start == "latest":
            # Since when it counts, only its log says: it is told once more that it is current.
            before = log.tally.caught_up
            return lambda: log.tally.caught_up > before
        ids = required(accepted.get(log.member, ()), log.device, log.device_class)
        return lambda: ids <= log.seen

    async def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether it came true in time; raises what a client failed with."""
        ends = time.monotonic() + timeout_s
        while not condition():
            for task in (*self._publishing, *self._reading):
                if task.done() and not task.cancelled():
                    task.result()
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.05)
        return True

    async def close(self) -> None:
        """Ends everybody; the logs are complete then."""
        for task in (*self._publishing, *self._reading):
            task.cancel()
        await asyncio.gather(*self._publishing, *self._reading, return_exceptions=True)
        for op_log in self._op_logs:
            op_log.close()
        for client in (*self._clients, *self._audits):
            client.log.close()

    def _op_log(self, name: str) -> OpLog:
        self._op_logs.append(OpLog(self._directory, name))
        return self._op_logs[-1]

    def _make_devices(self) -> None:
        ways, turn = self._ground.layout.device_links, 0
        for member in self.members[OFFLINE:]:
            for device in CLASSES:
                habit = ASSIGNED[turn % len(ASSIGNED)]
                self._subscribe(member, device, habit, ways[turn % len(ways)])
                turn += 1
        # The same device at one gateway: the newer replaces the older. And at another one: both are served.
        member, watched = self.members[OFFLINE], self._ground.layout.watched_links
        self._subscribe(member, "tv", "twin", ways[0])
        self._subscribe(member, "tv", "eager", watched[-1])
        for number, member in enumerate(self.members[OFFLINE - 3 : OFFLINE]):
            way = ways[number % len(ways)]
            log = self._log(f"{member}-puller", member, "puller", "tv", "pulling")
            self._clients.append(Puller(log, self._ground.place(way), way, 0.7))
        for way in watched:
            self.prober.watched_by(way)
            for member in probes.MEMBERS:
                client = self._subscribe(member, f"watch-{len(self._clients)}", "eager", way)
                client.log.saw = partial(self.prober.saw, way)

    def _subscribe(self, member: str, device: str, habit: str, way: str) -> Subscriber:
        """`way`: the link that it comes in by."""
        name = f"{member}-{device}-{len(self._clients)}"
        device_class = device if device in CLASSES else "tv"
        log = self._log(name, member, device, device_class, habit)
        client = Subscriber(log, self._ground.place(way), way, SILENCE_S)
        self._clients.append(client)
        return client

    def _log(self, name: str, member: str, device: str, device_class: str, habit: str) -> DeviceLog:
        return DeviceLog(self._directory, name, member, device, device_class, HABITS[habit])

    async def _audit(self, accepted: dict[str, list[Sent]], until: float) -> None:
        way = self._ground.place(self._ground.layout.device_links[0])
        async with connected(way) as channel:
            stub = NotificationServiceStub(channel)

            async def read(member: str) -> None:
                log = self._log(f"{member}-audit", member, "audit", "audit", "audit")
                owed = required(accepted.get(member, ()), "audit", "audit")
                reader = Puller(log, way, "audit", 0.3)
                self._audits.append(reader)
                await reader.pull_all(stub)
                while not owed <= log.seen and time.monotonic() < until:
                    await asyncio.sleep(0.3)
                    await reader.pull_all(stub)

            async with asyncio.TaskGroup() as reading:
                for member in (*self.members, *probes.MEMBERS):
                    reading.create_task(read(member))


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counters:
        total.update(one)
    return total
