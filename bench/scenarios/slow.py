"""A tenth of all devices stop reading: what that is to the others, and whether they are let go."""

import time
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import generating
from bench.probe import probed
from bench.system import CATALOGUE, System, running

WINDOW_BYTES = 64 * 1024
FILL_BYTES = 16 * 1024
FILL_EVENTS = 12
"""For each that stalls: several times what a stream's window and the layers above it take in."""

LET_GO_S = 40.0
"""After the first blocked write: longer than gateway.stalled_after_s."""


@dataclass(frozen=True)
class Slow:
    """Parameters."""

    devices: int = 5_000
    stalled: int = 500
    shared: int = 100
    seconds: float = 15.0

    def quick(self) -> Self:
        """A tenth of it."""
        return replace(self, devices=500, stalled=50, shared=10, seconds=6.0)

    def measure(self) -> dict[str, Any]:
        """Before, and while some stand still; those have connections of their own."""
        reading = self.devices - self.stalled
        with (
            running(CATALOGUE) as system,
            self._fleet(system, 0, reading) as readers,
            self._fleet(system, reading, self.stalled) as slow,
        ):
            readers.until("ready")
            slow.until("ready")
            before = probed(system, readers, self.seconds, 100.0)
            slow.say("stall")
            stalled_s = time.monotonic()
            self._fill(system, reading)
            stalling = probed(system, readers, self.seconds, 100.0)
            memory = system.resident_bytes()["gateway"]
            time.sleep(max(0.0, stalled_s + LET_GO_S - time.monotonic()))
            slow.say("read")
            time.sleep(5.0)
            ends = slow.ask("count", "counted")["ends"]
        p99 = [each["delivered_ms"].get("p99_ms", 0.0) for each in (before, stalling)]
        return {
            "before": before,
            "while_they_stall": stalling,
            "p99_ratio": round(p99[1] / p99[0], 2) if p99[0] else None,
            "stalled_streams_ended": ends,
            "gateway_mb": round(memory / 1e6, 1),
        }

    def _fleet(self, system: System, first: int, count: int) -> Any:
        return generating(
            "devices",
            addresses=system.address("devices"),
            first=first,
            count=count,
            connections=max(1, count // self.shared),
            window=WINDOW_BYTES,
        )

    def _fill(self, system: System, first: int) -> None:
        """Events until each of those that stall has more than it takes in unread."""
        with generating(
            "publish",
            address=system.address("ingestion"),
            rate=2_000,
            seconds=self.stalled * FILL_EVENTS / 2_000,
            first=first,
            members=self.stalled,
            in_turn=True,
            payload=FILL_BYTES,
            batch=25,
            shares="100,0,0",
            source="fill",
            drain=120,
        ) as load:
            load.until("published")
