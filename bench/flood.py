"""High priority while low is flooded: from publish to the device, quiet and under a flood of ten times what the low lane's cluster carries, in turns.

    .venv/bin/python -m bench.flood [--seconds 15] [--rounds 2] [--times 10]

One real `reno up`; the low lane is made small by its settings, then saturated to measure what it carries. The flood is open loop. It comes from a process of its
own, and that and the low lane's processor get what CPU the others leave: they stand for machines that are elsewhere (--even: all have the same claim).
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import grpc

from bench.first import SUBSCRIBE, device
from bench.flood_load import LATE_S, flooding, yield_cpu
from bench.idle import environment
from bench.system import System, running
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest
from reno.v1.notification_service_pb2 import SubscribeRequest, SubscribeResponse

PUBLISH_ONE = "/reno.v1.IngestionService/Publish"
HIGH = "bench.high"
DEVICES = 50
HIGH_PER_S = 100
SATURATE_S = 8.0
SMALL_LOW = {
    "RENO_LANES__LOW__SHARDS": "1",
    "RENO_LANES__LOW__MAX_ENVELOPE_EVENTS": "2",
    "RENO_LANES__LOW__MAX_BATCH_EVENTS": "2",
    "RENO_LANES__LOW__MAX_WAITING_BYTES_PER_SHARD": str(64 * 1024),
    "RENO_LOG__MAX_BYTES_LOW": str(2 << 20),
}
_direct = build_opener(ProxyHandler({}))


class Devices:
    """Members' devices that are online all the time; when each event reached its device."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self.members = [f"online-{number}" for number in range(DEVICES)]
        self.seen_s: dict[str, float] = {}
        self._current: set[str] = set()
        self._listening = [asyncio.create_task(self._listen(member)) for member in self.members]

    async def _listen(self, member: str) -> None:
        call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            SUBSCRIBE
        )
        async for raw in call(SubscribeRequest().SerializeToString(), metadata=device(member)):
            now_s = time.perf_counter()
            frame = SubscribeResponse.FromString(raw)
            for one in frame.notifications:
                self.seen_s.setdefault(one.event_id, now_s)
            if frame.caught_up:
                self._current.add(member)

    async def all_current(self) -> None:
        """Waits until each has caught up."""
        async with asyncio.timeout(LATE_S):
            while len(self._current) < DEVICES:
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        """They go offline."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await self._channel.close()


@dataclass(slots=True)
class Delays:
    """In ms, from when an event was due to be published."""

    accepted: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)

    def add(self, other: "Delays") -> None:
        """The other's too."""
        self.accepted += other.accepted
        self.delivered += other.delivered

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles of both."""
        return {
            what: {"p50_ms": percentile(values, 0.5), "p99_ms": percentile(values, 0.99)}
            for what, values in (("accepted", self.accepted), ("delivered", self.delivered))
        }


async def high_for(system: System, devices: Devices, seconds: float) -> Delays:
    """Open loop: until the door accepted each event, and until its device had it."""
    run, due_s, delays = f"{time.time_ns():x}", {}, Delays()
    async with grpc.aio.insecure_channel(system.address("ingestion")) as channel:
        call = channel.unary_unary(PUBLISH_ONE)

        async def publish(event: Event) -> None:
            request = PublishRequest(event=event).SerializeToString()
            await call(request, metadata=(("reno-source", "bench"),), timeout=LATE_S)
            delays.accepted.append((time.perf_counter() - due_s[event.id]) * 1000)

        publishing = []
        started = time.perf_counter()
        for number in range(int(seconds * HIGH_PER_S)):
            due = started + number / HIGH_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            member = devices.members[number % DEVICES]
            event = Event(id=f"{run}-{number}", type=HIGH, member_id=member, payload=b"x" * 100)
            due_s[event.id] = due
            publishing.append(asyncio.create_task(publish(event)))
        await asyncio.gather(*publishing)
    async with asyncio.timeout(LATE_S):
        while not devices.seen_s.keys() >= due_s.keys():
            await asyncio.sleep(0.02)
    delays.delivered = [(devices.seen_s[each] - due) * 1000 for each, due in due_s.items()]
    return delays


async def until_low_is_empty(system: System) -> None:
    """Until its processor has delivered everything that the log took."""
    url = f"http://{system.address('nats-monitor')}/jsz?streams=true&accounts=true"

    def waiting() -> int:
        with _direct.open(url, timeout=5) as answer:
            accounts = json.loads(answer.read())["account_details"]
        details = [one for account in accounts for one in account["stream_detail"]]
        (low,) = (one for one in details if one["name"] == "RENO_LOW")
        return int(low["state"]["messages"])

    while await asyncio.to_thread(waiting):
        await asyncio.sleep(0.2)


async def capacity_of_low(system: System) -> float:
    """Events/s that are accepted once its log is full: as many as its processor takes away."""
    async with flooding(system, 20_000, SATURATE_S):
        pass
    async with flooding(system, 20_000, SATURATE_S) as ending:
        accepted = (await ending)["accepted"]
    await until_low_is_empty(system)
    return accepted


def percentile(values_ms: list[float], share: float) -> float:
    """By rank."""
    return round(sorted(values_ms)[min(len(values_ms) - 1, int(len(values_ms) * share))], 2)


async def measure(seconds: float, rounds: int, times: float, even: bool) -> dict[str, object]:
    """Quiet and flooded in turns, so that both see the same machine."""
    catalogue = Path(__file__).with_name("catalogue.toml")
    with environment(SMALL_LOW), running(catalogue) as system:
        devices = Devices(system.address("devices"))
        try:
            await devices.all_current()
            if not even:
                yield_cpu(system.pids()["processor-low"])
            await high_for(system, devices, 3.0)
            capacity = await capacity_of_low(system)
            quiet = Delays()
            flooded = Delays()
            floods = []
            turns = []
            cpu: Counter[str] = Counter()
            for _ in range(rounds):
                calm = await high_for(system, devices, seconds)
                before = system.cpu_s()
                async with flooding(system, times * capacity, seconds + 1) as ending:
                    rough = await high_for(system, devices, seconds)
                    floods.append(await ending)
                cpu.update({name: used - before[name] for name, used in system.cpu_s().items()})
                await until_low_is_empty(system)
                turns.append({"quiet": calm.summary(), "flooded": rough.summary()})
                quiet.add(calm)
                flooded.add(rough)
        finally:
            await devices.close()
    calm_p99, rough_p99 = percentile(quiet.delivered, 0.99), percentile(flooded.delivered, 0.99)
    return {
        "low_capacity_per_s": round(capacity),
        "floods": floods,
        "turns": turns,
        "quiet": quiet.summary(),
        "flooded": flooded.summary(),
        "p99_ratio": round(rough_p99 / calm_p99, 2),
        "flood_cores": {
            name: round(used / (rounds * (seconds + 1)), 2) for name, used in cpu.items()
        },
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--times", type=float, default=10.0)
    parser.add_argument(
        "--even", action="store_true", help="the low lane's processor yields to nobody"
    )
    chosen = parser.parse_args()
    result = asyncio.run(measure(chosen.seconds, chosen.rounds, chosen.times, chosen.even))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
