"""The installation that is attacked: every role and the log's server as processes, every way between them through a proxy, and a supervisor that starts again what has died."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.many import Member, address
from tests.faults.launcher import make_clock
from tests.faults.traffic import LANE_WORDS, SHARDS, catalogue
from tests.servers.nats import NatsProcess
from tests.servers.proxy import ProxyThread, TcpProxy

PROGRAM = "tests.faults.launcher"
LOOK_S, SILENCE_S = 5.0, 5.0
NATS = "nats"
CAPS_MIB = {"ingestion": 192, "gateway": 256, "processor": 320, "presence": 160, NATS: 256}
"""Resident memory that no process of a run may pass."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of what, what each process is told, and which wrong product it is."""

    gateways: int = 2
    replicas: int = 2
    mutant: str = ""
    max_bytes_low: int = 256 << 10
    environment: Mapping[str, str] = field(default_factory=dict)


class Ground:
    """`members` by name: ingestion, gateway-0, processor-high, presence-0, ...; `links` by who>whom."""

    def __init__(self, directory: Path, shape: Shape) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.shape = shape
        self.gateways = [f"gateway-{n}" for n in range(shape.gateways)]
        self.replicas = [f"presence-{n}" for n in range(shape.replicas)]
        self.processors = [f"processor-{word}" for word in LANE_WORDS.values()]
        self.nats = NatsProcess(directory / NATS)
        self.links: dict[str, TcpProxy] = {}
        self.members: dict[str, Member] = {}
        self.died: Counter[str] = Counter()
        """Processes that ended by themselves, by name."""
        self.peak_mib: dict[str, float] = {}
        self._proxies = ProxyThread()
        self._resting: set[str] = set()
        (directory / "catalogue.toml").write_text(catalogue())
        self._plan()

    def place(self, link: str) -> str:
        """Where the way begins."""
        return f"127.0.0.1:{self.links[link].port}"

    @property
    def names(self) -> list[str]:
        return [*self.members, NATS]

    def pid(self, name: str) -> int:
        if name == NATS:
            return self.nats.pid
        process = self.members[name].process
        assert process is not None, f"{name} does not run"
        return process.pid

    async def start(self) -> None:
        """Everything at once; each waits for what it needs."""
        await asyncio.to_thread(self.nats.start)
        for member in self.members.values():
            member.start()
        for member in self.members.values():
            await member.ready()

    async def kill(self, name: str) -> int:
        """kill -9; its exit code. It stays down until `revive`."""
        self._resting.add(name)
        if name == NATS:
            await asyncio.to_thread(self.nats.kill)
            return -signal.SIGKILL
        process = self.members[name].process
        assert process is not None
        process.kill()
        return await asyncio.to_thread(process.wait, 10)

    async def stop(self, name: str) -> None:
        """Its orderly end."""
        self._resting.add(name)
        if name == NATS:
            await asyncio.to_thread(self.nats.stop)
        else:
            await self.members[name].stop()

    async def revive(self, name: str) -> None:
        """Started, not waited for."""
        if name == NATS:
            await asyncio.to_thread(self.nats.start)
        else:
            self.members[name].start()
        self._resting.discard(name)

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def state(self, name: str) -> str:
        """One letter, as the kernel says it: T is stopped."""
        stat = Path(f"/proc/{self.pid(name)}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]

    async def watch(self) -> None:
        """Until cancelled: starts again what ended by itself, and measures memory."""
        while True:
            for name, member in self.members.items():
                if name in self._resting or member.process is None:
                    continue
                if member.process.poll() is not None:
                    self.died[name] += 1
                    member.start()
            self._measure()
            await asyncio.sleep(0.25)

    def over_their_caps(self) -> dict[str, float]:
        return {
            name: mib
            for name, mib in self.peak_mib.items()
            if mib > CAPS_MIB[name.partition("-")[0]]
        }

    def close(self) -> None:
        for member in self.members.values():
            member.kill()
        self.nats.kill()
        self._proxies.close()

    def _measure(self) -> None:
        page_mib = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
        for name in self.names:
            if name in self._resting:
                continue
            try:
                resident = Path(f"/proc/{self.pid(name)}/statm").read_text().split()[1]
            except (FileNotFoundError, IndexError, ProcessLookupError):
                continue
            self.peak_mib[name] = max(self.peak_mib.get(name, 0.0), int(resident) * page_mib)

    def _link(self, name: str, target: str) -> str:
        """The address of the way's beginning."""
        self.links[name] = self._proxies.proxy(int(target.rpartition(":")[2]))
        return self.place(name)

    def _plan(self) -> None:
        inboxes = {word: address() for word in LANE_WORDS.values()}
        replicas = [address() for _ in self.replicas]
        to_gateways = {
            f"RENO_INBOX__{word.upper()}": self._link(f"gateways>inbox-{word}", place)
            for word, place in inboxes.items()
        }
        seen_by = {
            who: json.dumps(
                [self._link(f"{who}>presence-{n}", place) for n, place in enumerate(replicas)]
            )
            for who in ("gateways", "processors")
        }
        for number, name in enumerate(self.replicas):
            public = address()
            own = {
                "RENO_PRESENCE__LISTEN": public,
                "RENO_PRESENCE__LISTEN_INTERNAL": replicas[number],
            }
            self._add(name, ["presence"], public, "PresenceService", own)
        for word, place in inboxes.items():
            own = {
                "RENO_PROCESSOR__PRIORITY": word,
                "RENO_PROCESSOR__LISTEN_INTERNAL": place,
                "RENO_PRESENCE__REPLICAS": seen_by["processors"],
            }
            self._add(f"processor-{word}", ["processor"], place, "InboxService", own, log=True)
        for name in self.gateways:
            public, internal = address(), address()
            own = {
                **to_gateways,
                "RENO_GATEWAY__GATEWAY_ID": name,
                "RENO_GATEWAY__LISTEN": public,
                "RENO_GATEWAY__LISTEN_INTERNAL": internal,
                "RENO_GATEWAY__ADVERTISE": self._link(f"processors>{name}", internal),
                "RENO_PRESENCE__REPLICAS": seen_by["gateways"],
            }
            self._link(f"devices>{name}", public)
            self._add(name, ["gateway"], public, "NotificationService", own)
        door = address()
        self._link("backends>ingestion", door)
        own = {"RENO_INGESTION__LISTEN": door}
        self._add("ingestion", ["ingestion"], door, "IngestionService", own, log=True)

    def _add(
        self,
        name: str,
        role: list[str],
        place: str,
        service: str,
        own: Mapping[str, str],
        *,
        log: bool = False,
    ) -> None:
        clock = self.directory / f"{name}.clock"
        make_clock(clock)
        servers = [self.nats.url]
        if log:
            servers = [f"nats://{self._link(f'{name}>{NATS}', self.nats.url)}"]
        environment = {
            "FAULTS_CLOCK": str(clock),
            **({"FAULTS_MUTANT": self.shape.mutant} if self.shape.mutant else {}),
            "RENO_CATALOGUE": str(self.directory / "catalogue.toml"),
            "RENO_DATA_DIR": str(self.directory / name),
            "RENO_LOG__SERVERS": json.dumps(servers),
            "RENO_LOG__MONITOR_URLS": json.dumps([self.nats.monitor_url]),
            "RENO_LOG__SHARDS": str(SHARDS),
            "RENO_LOG__MAX_BYTES_HIGH": str(64 << 20),
            "RENO_LOG__MAX_BYTES_MEDIUM": str(64 << 20),
            "RENO_LOG__MAX_BYTES_LOW": str(self.shape.max_bytes_low),
            "RENO_GATEWAY__LOOK_INTERVAL_S": str(LOOK_S),
            "RENO_GATEWAY__CHECKPOINT_INTERVAL_S": str(SILENCE_S / 2),
            "RENO_GATEWAY__STALLED_AFTER_S": "3",
            "RENO_GATEWAY__DRAIN_SPREAD_S": "1",
            "RENO_SERVER__DRAIN_S": "5",
            **self.shape.environment,
            **own,
        }
        health = (place, f"reno.v1.{service}")
        self.members[name] = Member(
            name, role, environment, health, self.directory / f"{name}.log", PROGRAM
        )


async def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came true in time."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.02)
    return True
