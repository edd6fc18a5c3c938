"""The demo's real system: `reno up`, device processes, a publishing backend. Ends all it started."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time, time_ns
from typing import TYPE_CHECKING, Any

import grpc

from reno.cli.demo.checking import Seen
from reno.cli.demo.keyspace import own_keyspace
from reno.cli.demo.script import DemoDevice, DemoEvent
from reno.cli.fault import Fault
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.v1.event_pb2 import Event, Targets
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishResult
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub

if TYPE_CHECKING:
    from reno.v1.ingestion_service_pb2_grpc import IngestionServiceAsyncStub

MAX_BATCH_EVENTS = 500
MAX_BATCH_PADDING_BYTES = 512 * 1024
STOP_TIMEOUT_S = 30.0


@dataclass
class Backstage:
    """What is known of the run: the system's ports, the devices' processes, what was published."""

    data: Path
    ports: dict[str, int]
    devices: dict[DemoDevice, asyncio.subprocess.Process] = field(default_factory=dict)
    sent_at_ms: dict[str, float] = field(default_factory=dict)
    accepted: Counter[str] = field(default_factory=Counter)
    accepted_by_priority: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def address(self, name: str) -> str:
        """host:port of ingestion, devices or presence."""
        return f"127.0.0.1:{self.ports[name]}"

    def pid(self, name: str) -> int:
        """Of a role's process, now."""
        pids: dict[str, int] = json.loads((self.data / "up.json").read_text())["pids"]
        return pids[name]

    def seen(self, device: DemoDevice) -> list[Seen]:
        """What the device's process has written so far."""
        path = self._diary(device)
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [seen_of(json.loads(line)) for line in lines if line.endswith("\n") and line.strip()]

    async def turn_on(self, device: DemoDevice) -> None:
        """Starts `reno subscribe` for the device; it resumes by its saved cursor."""
        with self._diary(device).open("ab") as diary:
            self.devices[device] = await asyncio.create_subprocess_exec(
                *_reno("subscribe"), "--devices", self.address("devices"), *self._who(device),
                "--from", "start", "--json", stdout=diary, stderr=asyncio.subprocess.DEVNULL, **_apart(self.data),
            )  # fmt: skip

    async def turn_off(self, device: DemoDevice) -> None:
        """Ends the device's process as a person would."""
        await _end(self.devices.pop(device))

    def freeze(self, device: DemoDevice) -> None:
        """The device reads nothing until it is thawed."""
        self.devices[device].send_signal(signal.SIGSTOP)

    def thaw(self, device: DemoDevice) -> None:
        """It reads again."""
        self.devices[device].send_signal(signal.SIGCONT)

    async def pull(self, device: DemoDevice) -> None:
        """Runs `reno pull` for the device until there is no more."""
        with self._diary(device).open("ab") as diary:
            child = await asyncio.create_subprocess_exec(
                *_reno("pull"), "--devices", self.address("devices"), *self._who(device),
                "--from", "start", "--json", stdout=diary, stderr=asyncio.subprocess.DEVNULL, **_apart(self.data),
            )  # fmt: skip
            await child.wait()

    async def publish(self, events: Sequence[DemoEvent], source: str = "demo") -> None:
        """In batches; notes when each was sent and what the door said of it."""
        async with grpc.aio.insecure_channel(self.address("ingestion")) as channel:
            stub = IngestionServiceStub(channel)
            for part in _parts(events):
                await self._publish_batch(stub, part, source)

    async def _publish_batch(
        self, stub: "IngestionServiceAsyncStub", events: Sequence[DemoEvent], source: str
    ) -> None:
        for event in events:
            self.sent_at_ms.setdefault(event.event_id, time() * 1000)
        answer = await stub.PublishBatch(
            PublishBatchRequest(events=[_event(one) for one in events]),
            metadata=(("reno-source", source),),
            timeout=30,
        )
        for event, result in zip(events, answer.results, strict=True):
            if result.status == PublishResult.STATUS_ACCEPTED:
                self.accepted[event.event_id] += 1
                self.accepted_by_priority[Priority(result.priority).word] += 1
            else:
                self.refused[Reason(result.refusal.reason).name] += 1

    def _diary(self, device: DemoDevice) -> Path:
        return self.data / "devices" / f"{device.member}-{device.device}.jsonl"

    def _who(self, device: DemoDevice) -> list[str]:
        cursor = self._diary(device).with_suffix(".cursor")
        return [
            "--member", device.member, "--device", device.device,
            "--class", device.device_class, "--cursor-file", str(cursor),
        ]  # fmt: skip


@asynccontextmanager
async def on_stage(data: Path, engine: str | None = None) -> AsyncIterator[Backstage]:
    """Starts the system on free ports; ends it and every device, whatever happens. `engine`: of the inbox; absent: as the settings say. Raises Fault when it does not come up."""
    async with own_keyspace(engine) as environment, _running(data, environment) as stage:
        yield stage


@asynccontextmanager
async def _running(data: Path, environment: Mapping[str, str]) -> AsyncIterator[Backstage]:
    (data / "devices").mkdir(parents=True)
    up = await asyncio.create_subprocess_exec(
        *_reno("up"), "--ports", "0", "--data", str(data), "--json",
        stdout=asyncio.subprocess.PIPE, start_new_session=True, env=environment, cwd=data,
    )  # fmt: skip
    stage = None
    try:
        assert up.stdout is not None
        async for line in up.stdout:
            said = json.loads(line)
            if said.get("event") == "ready":
                stage = Backstage(data, said["ports"])
                break
        if stage is None:
            raise Fault(
                "reno up ended before it was ready: see its messages above, and reno doctor"
            )
        yield stage
    finally:
        for device in list(stage.devices) if stage else []:
            stage.thaw(device) if stage else None
            await stage.turn_off(device) if stage else None
        await _end(up)


def seen_of(line: dict[str, object]) -> Seen:
    """A line that `reno subscribe --json` or `reno pull --json` wrote."""
    return Seen(
        event_id=str(line["eventId"]),
        event_type=str(line["type"]),
        merge_key=str(line.get("mergeKey", "")),
        position=int(str(line["position"])),
        priority=str(line["priority"]).removeprefix("PRIORITY_").lower(),
        via=str(line["via"]).removeprefix("VIA_"),
        merged=int(str(line.get("merged", 0))),
        action=str(line["action"]),
        received_at_ms=float(str(line["receivedAtMs"])),
    )


def _event(event: DemoEvent) -> Event:
    message = Event(
        id=event.event_id,
        type=event.event_type,
        member_id=event.member,
        merge_key=event.merge_key,
        origin_device_id=event.origin,
        payload=json.dumps({"said": event.event_type, "more": "." * event.padding}).encode(),
        content_type="application/json",
    )
    if event.classes:
        message.targets.CopyFrom(Targets(device_classes=event.classes))
    if event.age_s:
        message.occurred_at.FromNanoseconds(time_ns() - int(event.age_s * 1e9))
    return message


def _parts(events: Sequence[DemoEvent]) -> Iterator[list[DemoEvent]]:
    """Batches below the door's limits. A repeat inside one batch is the door's to refuse; the demo's duplicates are for the gate, so a repeat begins a new batch."""
    part: dict[str, DemoEvent] = {}
    size_bytes = 0
    for event in events:
        is_full = len(part) == MAX_BATCH_EVENTS or size_bytes > MAX_BATCH_PADDING_BYTES
        if is_full or event.event_id in part:
            yield list(part.values())
            part, size_bytes = {}, 0
        part[event.event_id] = event
        size_bytes += event.padding
    yield list(part.values())


def _apart(data: Path) -> dict[str, Any]:
    """The demo plays with what is shipped: neither the caller's RENO_ variables nor a reno.toml beside it count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENO_")}
    return {"env": kept, "cwd": data}


def _reno(command: str) -> list[str]:
    return [sys.executable, "-m", "reno.cli.main", command]


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await child.wait()
    except TimeoutError:
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
