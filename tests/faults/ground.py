"""The installation that is attacked: every role, the log's servers and what else there is as processes, every way between them through a proxy, and a supervisor that starts again what has died."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from reno.adapters import cassandra_schema
from tests.e2e.many import Member
from tests.faults.disks import Disk, Kind
from tests.faults.layout import CASSANDRA, MESH, Layout
from tests.faults.shapes import Shape, numbered
from tests.servers.cassandra import CassandraNode
from tests.servers.nats import NatsProcess
from tests.servers.nats_cluster import NatsCluster

NATS = "nats"
CAPS_MIB = {
    "ingestion": 192,
    "gateway": 256,
    "processor": 320,
    "presence": 160,
    NATS: 256,
    MESH: 192,
    CASSANDRA: 1536,
}
"""Resident memory that no process of a run may pass."""

DISK_MIB = 768
"""Of a disk of its own: more than a run writes, and than what must be free before anybody tries again."""


class Server(Protocol):
    """A process that is not ours."""

    @property
    def pid(self) -> int: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def stop(self) -> None: ...


class Ground:
    """`members` are our roles' processes, `servers` the others, by name; `links` by who>whom."""

    def __init__(self, directory: Path, shape: Shape, node: CassandraNode | None = None) -> None:
        """`node`: a running Cassandra, for shapes that have one; it is left running, without what the run put there."""
        assert (node is not None) is shape.has_cassandra, f"{shape.name} and Cassandra"
        directory.mkdir(parents=True)
        self.directory = directory
        self.shape = shape
        self.replicas = [f"presence-{n}" for n in range(shape.replicas)]
        self._cluster = NatsCluster(directory) if shape.log_servers > 1 else None
        alone = NatsProcess(directory / NATS, synced=shape.is_synced)
        log = self._cluster.servers if self._cluster else [alone]
        names = numbered(NATS, shape.log_servers)
        self.nats = log[0]
        self.log_servers = dict(zip(names, log, strict=True))
        self._node = node
        self._inbox = node.settings(keyspace=f"run_{uuid4().hex}") if node else None
        self.layout = Layout(directory, shape, self.log_servers, self._inbox)
        self.members: dict[str, Member] = self.layout.members
        self.gateways = self.layout.gateways
        self.processors = [name for name in self.members if name.startswith("processor")]
        self.links = self.layout.links
        if self._cluster is not None:
            for (one, other), proxy in self._cluster.routes.items():
                self.links[f"{names[one]}>{names[other]}"] = proxy
        self.servers: dict[str, Server] = dict(self.log_servers)
        if self.layout.envoy is not None:
            self.servers[MESH] = self.layout.envoy
        if node is not None:
            self.servers[CASSANDRA] = node
        self.disks: dict[str, Disk] = {}
        """By whose data they hold."""
        self.died: Counter[str] = Counter()
        """Processes that ended by themselves, by name."""
        self.peak_mib: dict[str, float] = {}
        self._resting: set[str] = set()

    def place(self, link: str) -> str:
        """Where the way begins."""
        return self.layout.place(link)

    def log(self, name: str) -> Path:
        """What the process says."""
        server = self.log_servers.get(name)
        return server.directory / "nats.log" if server else self.members[name].log

    @property
    def names(self) -> list[str]:
        return [*self.members, *self.servers]

    def pid(self, name: str) -> int:
        if name in self.servers:
            return self.servers[name].pid
        process = self.members[name].process
        assert process is not None, f"{name} does not run"
        return process.pid

    async def start(self) -> None:
        """Everything at once; each waits for what it needs."""
        if self.shape.disk is not None:
            await asyncio.to_thread(self._mount, self.shape.disk)
        await asyncio.to_thread(self._cluster.start if self._cluster else self.nats.start)
        if self._inbox is not None:
            await asyncio.to_thread(cassandra_schema.apply, self._inbox)
        if self.layout.envoy is not None:
            self.layout.envoy.start()
        for member in self.members.values():
            member.start()
        for member in self.members.values():
            await member.ready()

    async def kill(self, name: str) -> int:
        """kill -9; its exit code. It stays down until `revive`."""
        self._resting.add(name)
        if name in self.servers:
            await asyncio.to_thread(self.servers[name].kill)
            return -signal.SIGKILL
        process = self.members[name].process
        assert process is not None
        process.kill()
        return await asyncio.to_thread(process.wait, 10)

    async def stop(self, name: str) -> None:
        """Its orderly end."""
        self._resting.add(name)
        if name in self.servers:
            await asyncio.to_thread(self.servers[name].stop)
        else:
            await self.members[name].stop()

    async def revive(self, name: str) -> None:
        """Started, not waited for."""
        if name in self.servers:
            await asyncio.to_thread(self.servers[name].start)
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
        for name, server in self.servers.items():
            if name != CASSANDRA:
                server.kill()
        for disk in self.disks.values():
            disk.close()
        if self._cluster is not None:
            self._cluster.close()
        self.layout.close()
        if self._node is not None and self._inbox is not None:
            if self._node.is_running:
                self._node.thaw()
            else:
                self._node.start()
            self._node.wait_ready()
            cassandra_schema.drop(self._inbox)

    def _mount(self, kind: Kind) -> None:
        for name, server in self.log_servers.items():
            disk = self.disks[name] = Disk(server.directory / "store", DISK_MIB, kind)
            server.prefix = disk.prefix
        for name in () if self.shape.has_cassandra else self.processors:
            disk = self.disks[name] = Disk(self.directory / name, DISK_MIB, kind)
            self.members[name].prefix = disk.prefix

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


async def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came true in time."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.02)
    return True
