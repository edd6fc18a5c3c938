"""Many of each role as a cluster runs them: `reno serve` processes that find each other by settings alone, ended and started one by one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reno.cli.tether import tethered
from reno.config.settings import LogSettings
from tests.e2e.running import STOP_TIMEOUT_S, wait_for
from tests.servers.nats import free_port

LANES = ("high", "medium", "low")
READY_TIMEOUT_S = 120.0
SERVING = health_pb2.HealthCheckResponse.SERVING


def log_environment(log: LogSettings, shards: int) -> dict[str, str]:
    """Where every process finds the log, and what its streams are made like."""
    return {
        "RENO_LOG__SERVERS": json.dumps(log.servers),
        "RENO_LOG__MONITOR_URLS": json.dumps(log.monitor_urls),
        "RENO_LOG__REPLICAS": str(log.replicas),
        "RENO_LOG__SHARDS": str(shards),
        "RENO_LOG__MAX_BYTES_HIGH": str(log.max_bytes_high),
        "RENO_LOG__MAX_BYTES_MEDIUM": str(log.max_bytes_medium),
        "RENO_LOG__MAX_BYTES_LOW": str(log.max_bytes_low),
    }


def address() -> str:
    return f"127.0.0.1:{free_port()}"


def heeds(pid: int, number: signal.Signals) -> bool:
    """The process has a handler for the signal, as the kernel says it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@dataclass
class Member:
    """One process: `health` is where and by which service it says that it works."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    health: tuple[str, str]
    log: Path
    program: str = "reno.cli.main"
    process: subprocess.Popen[bytes] | None = None
    prefix: Sequence[str] = ()
    """Of its command line, from its next start on."""

    def start(self) -> None:
        command = [sys.executable, "-m", self.program, "serve", *self.arguments]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*self.prefix, *tethered(os.getpid(), command)],
                env={**os.environ, **self.environment},
                stdout=out,
                stderr=out,
            )

    async def ready(self) -> None:
        """Raises AssertionError with its log's end."""
        place, service = self.health
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with grpc.aio.insecure_channel(
            place, options=[("grpc.max_reconnect_backoff_ms", 200)]
        ) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not await self._serves(stub, service):
                assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self._end()}"
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """SIGTERM; raises AssertionError where its end was not clean. A process that is still being started heeds no signal yet, so it is waited for."""
        process, self.process = self.process, None
        assert process is not None
        await asyncio.to_thread(
            wait_for,
            lambda: process.poll() is not None or heeds(process.pid, signal.SIGTERM),
            READY_TIMEOUT_S,
            f"{self.name} to be started",
        )
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        assert code == 0, f"{self.name} ended with {code}:\n{self._end()}"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
            self.process = None

    async def _serves(self, stub: health_pb2_grpc.HealthStub, service: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended:\n{self._end()}"
        try:
            answer = await stub.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=1, wait_for_ready=True
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == SERVING)

    def _end(self) -> str:
        return self.log.read_text()[-3000:]


class Many:
    """Two doors, two gateways, two presence replicas; of every lane one processor, or two with a shard each."""

    def __init__(
        self, directory: Path, shared: Mapping[str, str], halved: Collection[str] = ("high",)
    ) -> None:
        """`shared`: every process's environment, besides where the others are. `halved`: the lanes with two processors."""
        self._directory = directory
        self.doors = [address(), address()]
        self.gateways = [address(), address()]
        replicas = [address(), address()]
        places = {
            lane: {"0": address(), "1": address()} if lane in halved else {"all": address()}
            for lane in LANES
        }
        self._environment = {
            **shared,
            "RENO_PRESENCE__REPLICAS": json.dumps(replicas),
            "RENO_SERVER__DRAIN_S": "5",
        }
        for lane, own in places.items():
            text = own.get("all") or " ".join(f"{shards}={place}" for shards, place in own.items())
            self._environment[f"RENO_INBOX__{lane.upper()}"] = text
        self.processors = {
            lane: [self._processor(lane, shards, place) for shards, place in own.items()]
            for lane, own in places.items()
        }
        self.members = [
            *(self._presence(n, replica) for n, replica in enumerate(replicas)),
            *(each for lane in LANES for each in self.processors[lane]),
            *(self._gateway(n, place) for n, place in enumerate(self.gateways)),
            *(self._door(n, place) for n, place in enumerate(self.doors)),
        ]

    async def start(self) -> None:
        """All at once: each waits for what it needs."""
        for member in self.members:
            member.start()
        for member in self.members:
            await member.ready()

    async def restart(self, member: Member) -> None:
        await member.stop()
        member.start()
        await member.ready()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def _member(
        self, name: str, role: Sequence[str], place: str, service: str, own: Mapping[str, str]
    ) -> Member:
        environment = {
            **self._environment,
            "RENO_DATA_DIR": str(self._directory / name),
            **own,
        }
        log = self._directory / f"{name}.log"
        return Member(name, role, environment, (place, f"reno.v1.{service}"), log)

    def _presence(self, number: int, replica: str) -> Member:
        public = address()
        own = {"RENO_PRESENCE__LISTEN": public, "RENO_PRESENCE__LISTEN_INTERNAL": replica}
        return self._member(f"presence-{number}", ["presence"], public, "PresenceService", own)

    def _processor(self, lane: str, shards: str, place: str) -> Member:
        own = {"RENO_PROCESSOR__SHARDS": shards, "RENO_PROCESSOR__PRIORITY": lane}
        return self._member(f"processor-{lane}-{shards}", ["processor"], place, "InboxService", own)

    def _gateway(self, number: int, place: str) -> Member:
        own = {
            "RENO_GATEWAY__GATEWAY_ID": f"gateway-{number}",
            "RENO_GATEWAY__LISTEN": place,
            "RENO_GATEWAY__LISTEN_INTERNAL": address(),
            "RENO_GATEWAY__DRAIN_SPREAD_S": "1",
        }
        return self._member(f"gateway-{number}", ["gateway"], place, "NotificationService", own)

    def _door(self, number: int, place: str) -> Member:
        own = {"RENO_INGESTION__LISTEN": place}
        return self._member(f"ingestion-{number}", ["ingestion"], place, "IngestionService", own)
