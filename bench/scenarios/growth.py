"""What an event costs as rows pile up and as streams are held, and each role's memory over time: flat, or not."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import generating
from bench.system import CATALOGUE, System, running
from bench.watching import Watching, us_each


@dataclass(frozen=True)
class Growth:
    """Parameters; `rows` in millions and `streams`, with commas, rising."""

    rows: str = "1,10,100"
    streams: str = "1000,10000,50000"
    fill_rate: int = 150_000
    rate: int = 50_000
    seconds: float = 20.0
    memory_s: float = 600.0
    members: int = 1_000_000
    shared: int = 100

    def quick(self) -> Self:
        """A hundredth of it."""
        return replace(
            self,
            rows="0.01,0.1,0.2",
            streams="100,1000",
            fill_rate=20_000,
            rate=8_000,
            seconds=5.0,
            memory_s=20.0,
        )

    def measure(self) -> dict[str, Any]:
        """Rows and memory on one system, streams on another."""
        with running(CATALOGUE) as system:
            stored, by_rows = 0.0, {}
            for millions in map(float, self.rows.split(",")):
                self._fill(system, millions * 1e6 - stored)
                by_rows[f"{millions:g} M rows"] = self._cost(system, self.seconds)
                stored = millions * 1e6 + self.rate * self.seconds
            steady = self._cost(system, self.memory_s)
        settings = {"RENO_GATEWAY__MAX_SESSIONS": str(1 << 17)}
        with running(CATALOGUE, settings=settings) as system, ExitStack() as stack:
            held, by_streams = 0, {}
            for count in map(int, self.streams.split(",")):
                fleet = generating(
                    "devices",
                    addresses=system.address("devices"),
                    first=self.members + held,  # nothing is pushed
                    count=count - held,
                    connections=max(1, (count - held) // self.shared),
                    within=600,
                    life=3600,
                )
                stack.enter_context(fleet).until("ready")
                held = count
                by_streams[f"{count} streams"] = self._cost(system, self.seconds)
        return {
            "by_rows": by_rows,
            "by_streams": by_streams,
            "memory_grown_mb": grown(steady["memory_mb"]),
            "steady": steady,
        }

    def _fill(self, system: System, rows: float) -> None:
        with generating(
            "publish",
            address=system.address("ingestion"),
            rate=self.fill_rate,
            seconds=max(0.0, rows) / self.fill_rate,
            members=self.members,
            max_waiting=1 << 20,
            source="fill",
            drain=20_000,
        ) as fill:
            fill.until("published")
        system.until_processed()

    def _cost(self, system: System, seconds: float) -> dict[str, Any]:
        with generating(
            "publish",
            address=system.address("ingestion"),
            rate=self.rate,
            seconds=seconds,
            warmup=2,
            members=self.members,
            drain=300,
        ) as load:
            load.until("measuring")
            with Watching(system, {"load": load}) as watching:
                said = load.until("published")
                system.until_processed()
                cpu_s = watching.cpu_s()
        return {
            "processed_per_s": round(said["accepted"] / said["answered_s"]),
            "answer_ms": said["answer"],
            "cpu_us_per_event": us_each(cpu_s, said["sent"]),
            "memory_mb": watching.memory,
        }


def grown(samples: list[dict[str, float]]) -> dict[str, float]:
    """Of each process, MB: the last fifth's mean less the second fifth's; the first is warm-up."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth] or samples, samples[-fifth:]

    def mean(some: list[dict[str, float]], name: str) -> float:
        return sum(each[name] for each in some) / len(some)

    names = samples[-1].keys() - {"s"}
    return {name: round(mean(late, name) - mean(early, name), 1) for name in sorted(names)}
