"""High priority, from publish to the device: beside the whole workload at shares of what the system carries, and while low is flooded with ten times what its lane carries."""

from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import Generator, generating
from bench.probe import DEVICES, probed, yield_cpu
from bench.system import CATALOGUE, System, running

SMALL_LOW = {
    "RENO_LANES__LOW__SHARDS": "1",
    "RENO_LANES__LOW__MAX_ENVELOPE_EVENTS": "2",
    "RENO_LANES__LOW__MAX_BATCH_EVENTS": "2",
    "RENO_LANES__LOW__MAX_WAITING_BYTES_PER_SHARD": str(64 * 1024),
    "RENO_LOG__MAX_BYTES_LOW": str(2 << 20),
}
"""A low lane that is saturated by a load that leaves the machine's cores to the others."""

FLOOD_BATCH = 50


@dataclass(frozen=True)
class Latency:
    """Parameters; `shares` in percent of `capacity`, which 0 has measured first."""

    rate: float = 100.0
    seconds: float = 30.0
    shares: str = "1,30,70"
    capacity: int = 0
    overload: int = 300_000
    overload_s: float = 10.0
    rounds: int = 2
    times: float = 10.0
    even: bool = False

    def quick(self) -> Self:
        """Seconds each."""
        return replace(self, seconds=6.0, overload=60_000, overload_s=3.0, rounds=1)

    def measure(self) -> dict[str, Any]:
        """On one system beside the workload, on another beside the flood."""
        with running(CATALOGUE) as system, self._devices(system) as fleet:
            fleet.until("ready")
            probed(system, fleet, 3.0, self.rate)
            capacity = self.capacity or self._capacity(system)
            beside = {
                f"{share}%": self._beside(system, fleet, capacity * int(share) / 100)
                for share in self.shares.split(",")
            }
        with running(CATALOGUE, settings=SMALL_LOW) as system, self._devices(system) as fleet:
            fleet.until("ready")
            flood = self._flooded(system, fleet)
        return {"capacity_per_s": round(capacity), "beside_the_workload": beside, "flood": flood}

    def _devices(self, system: System) -> Any:
        return generating(
            "devices", addresses=system.address("devices"), count=DEVICES, connections=5
        )

    def _workload(self, system: System, rate: float, seconds: float, **options: object) -> Any:
        return generating(
            "publish",
            address=system.address("ingestion"),
            rate=rate,
            seconds=seconds,
            first=DEVICES,
            **({"source": "beside"} | options),
        )

    def _capacity(self, system: System) -> float:
        """Events/s that the system processes when it is offered more."""
        with self._workload(system, self.overload, self.overload_s, warmup=2, drain=120) as load:
            load.until("measuring")
            said = load.until("published")
            system.until_processed(within_s=600)
        accepted: int = said["accepted"]
        return accepted / float(said["answered_s"])

    def _beside(self, system: System, fleet: Generator, rate: float) -> dict[str, Any]:
        with self._workload(
            system, rate, self.seconds + 3, batch=max(1, round(rate / 100))
        ) as load:
            load.until("started")
            found = probed(system, fleet, self.seconds, self.rate)
            load.until("published")
        system.until_processed(within_s=600)
        return {"events_per_s": round(rate)} | found

    def _flooded(self, system: System, fleet: Generator) -> dict[str, Any]:
        if not self.even:
            yield_cpu(system.pids()["processor-low"])
        probed(system, fleet, 3.0, self.rate)
        low = {"shares": "0,0,100", "batch": FLOOD_BATCH, "max_waiting": 64, "drain": 120}
        carried = []
        for _ in range(2):  # the first fills its log
            with self._workload(system, 20_000, 8.0, **low) as flood:
                said = flood.until("published")
            carried.append(said["accepted"] / said["offered_s"])
        system.until_processed(within_s=600)
        turns: list[dict[str, Any]] = []
        for _ in range(self.rounds):
            quiet = probed(system, fleet, self.seconds, self.rate)
            rate = self.times * carried[-1]
            with self._workload(system, rate, self.seconds + 2, **low) as flood:
                if not self.even:
                    yield_cpu(flood.pid)
                flood.until("started")
                flooded = probed(system, fleet, self.seconds, self.rate)
                said = flood.until("published")
            system.until_processed(within_s=600)
            turns.append({"quiet": quiet, "flooded": flooded, "flood": said})
        p99 = [
            max(turn[which]["delivered_ms"].get("p99_ms", 0.0) for turn in turns)
            for which in ("quiet", "flooded")
        ]
        return {
            "low_carries_per_s": round(carried[-1]),
            "turns": turns,
            "p99_ratio": round(p99[1] / p99[0], 2) if p99[0] else None,
        }
