"""Ten thousand events for as many online members, handed over in ten calls at one moment: until the last device has its own."""

import time
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import generating
from bench.scenarios.peak import all_pushed
from bench.system import CATALOGUE, running
from bench.watching import Watching, us_each

AT_ONCE = 1e9
"""Events a second: all are due within microseconds."""


@dataclass(frozen=True)
class Burst:
    """Parameters."""

    devices: int = 10_000
    connections: int = 100
    calls: int = 10
    rounds: int = 5
    pause_s: float = 3.0

    def quick(self) -> Self:
        """A tenth of it."""
        return replace(self, devices=1_000, connections=10, rounds=3)

    def measure(self) -> dict[str, Any]:
        """Several bursts on one system; the first finds owners that do not know the members yet."""
        with (
            running(CATALOGUE) as system,
            generating(
                "devices",
                addresses=system.address("devices"),
                count=self.devices,
                connections=self.connections,
            ) as fleet,
        ):
            fleet.until("ready")
            bursts = []
            for _ in range(self.rounds):
                time.sleep(self.pause_s)
                fleet.ask(f"since {time.time():.6f}", "since")
                with (
                    generating(
                        "publish",
                        address=system.address("ingestion"),
                        rate=AT_ONCE,
                        seconds=self.devices / AT_ONCE,
                        members=self.devices,
                        online=self.devices,
                        in_turn=True,
                        batch=self.devices // self.calls,
                        streams=self.calls,
                        shares="100,0,0",
                    ) as load,
                    Watching(system, {"load": load, "load-devices": fleet}) as watching,
                ):
                    said = load.until("published")
                    all_pushed(fleet, self.devices)
                    cpu_s = watching.cpu_s()
                seen = fleet.ask("count", "counted")
                bursts.append(
                    {
                        "seen": seen["notifications"],
                        "accepted_ms": said["answer"],
                        "delivered_ms": seen["delays"].get("high", {}),
                        "cpu_us_per_push": us_each(cpu_s, self.devices),
                    }
                )
        last_ms = sorted(each["delivered_ms"].get("max_ms", 0.0) for each in bursts[1:] or bursts)
        return {"last_device_ms": last_ms[len(last_ms) // 2], "bursts": bursts}
