"""Ten thousand inboxes are pulled in pages of 50, alone and while the peak's load runs."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import generating
from bench.system import CATALOGUE, System, running
from bench.watching import Watching, us_each


@dataclass(frozen=True)
class Pull:
    """Parameters."""

    members: int = 10_000
    rows: int = 60
    page: int = 50
    callers: int = 16
    seconds: float = 30.0
    rate: int = 150_000
    fill_rate: int = 50_000

    def quick(self) -> Self:
        """Fewer inboxes, less load, seconds."""
        return replace(self, members=1_000, seconds=6.0, rate=10_000, fill_rate=20_000)

    def measure(self) -> dict[str, Any]:
        """On one system."""
        with running(CATALOGUE) as system:
            with generating(
                "publish",
                address=system.address("ingestion"),
                rate=self.fill_rate,
                seconds=self.members * self.rows / self.fill_rate,
                members=self.members,
                in_turn=True,
                source="fill",
                drain=300,
            ) as fill:
                fill.until("published")
            system.until_processed()
            return {
                "alone": self._pulled(system, rate=0),
                "beside_the_peak": self._pulled(system, rate=self.rate),
            }

    def _pulled(self, system: System, rate: int) -> dict[str, Any]:
        with ExitStack() as stack:
            load = None
            if rate:
                load = stack.enter_context(
                    generating(
                        "publish",
                        address=system.address("ingestion"),
                        rate=rate,
                        seconds=self.seconds + 4,
                        first=self.members,
                        source="beside",
                        drain=300,
                    )
                )
                load.until("started")
            puller = stack.enter_context(
                generating(
                    "pull",
                    address=system.address("devices"),
                    callers=self.callers,
                    seconds=self.seconds,
                    members=self.members,
                    page=self.page,
                )
            )
            puller.until("measuring")
            watching = stack.enter_context(
                Watching(system, {"load-pull": puller} | ({"load": load} if load else {}))
            )
            said = puller.until("called")
            cpu_s = watching.cpu_s()
            watching.end_sampling()
            beside = load.until("published") if load else None
            system.until_processed()
        found = {
            "pulls_per_s": round(said["per_s"]),
            "failed": said["failed"],
            "errors": said["errors"],
            "answer_ms": said["answer"],
            "cpu_us_per_pull": us_each(cpu_s, said["calls"]),
            "backlog": watching.backlog,
        }
        if beside:
            found["beside_per_s"] = round(beside["accepted"] / beside["answered_s"])
        return found
