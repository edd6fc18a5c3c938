"""Netflix's peak on one machine: three priorities, a million members, duplicates and stale events, one member of a hundred online."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import Generator, generating, total
from bench.system import CATALOGUE, System, running
from bench.watching import Watching, us_each

BEFORE_S = 1e-4
"""The first event that counts was due just then, and a float rounds."""


@dataclass(frozen=True)
class Peak:
    """Parameters."""

    rate: int = 150_000
    seconds: float = 60.0
    warmup: float = 15.0
    members: int = 1_000_000
    online: int = 10_000
    connections: int = 100
    batch: int = 500
    streams: int = 16
    repeats: float = 0.10
    stale: float = 0.05

    def quick(self) -> Self:
        """Seconds instead of minutes."""
        return replace(self, rate=30_000, seconds=10.0, warmup=5.0, online=1_000, connections=10)

    def measure(self) -> dict[str, Any]:
        """One system, one load; devices only where some are online."""
        with running(CATALOGUE) as system, ExitStack() as stack:
            beside: dict[str, Generator] = {}
            if self.online:
                fleet = generating(
                    "devices",
                    addresses=system.address("devices"),
                    count=self.online,
                    connections=self.connections,
                )
                beside["load-devices"] = stack.enter_context(fleet)
                beside["load-devices"].until("ready")
            beside["load"] = stack.enter_context(
                generating(
                    "publish",
                    address=system.address("ingestion"),
                    rate=self.rate,
                    seconds=self.seconds,
                    warmup=self.warmup,
                    members=self.members,
                    online=self.online,
                    batch=self.batch,
                    drain=300,
                    streams=self.streams,
                    repeats=self.repeats,
                    stale=self.stale,
                )
            )
            return under_load(system, beside)


def under_load(system: System, beside: Mapping[str, Generator]) -> dict[str, Any]:
    """What `load` of them, which publishes, did to the system, until all of it was processed and pushed to `load-devices`, where there are some."""
    load, fleet = beside["load"], beside.get("load-devices")
    since_s = load.until("measuring")["at_unix_s"]
    with Watching(system, beside) as watching:
        if fleet:
            fleet.ask(f"since {since_s - BEFORE_S:.6f}", "since")
        load.until("offered")
        watching.end_sampling()
        cores = watching.cores()
        said = load.until("published")
        answered_s = time.monotonic()
        system.until_processed()
        behind_s = time.monotonic() - answered_s
        expected = total(said["fresh_online"])
        if fleet:
            all_pushed(fleet, expected)
        cpu_s = watching.cpu_s()
        seen = fleet.ask("end", "ended") if fleet else {"notifications": 0, "delays": {}}
    sent = said["sent"]
    return {
        "events_per_s": {
            "offered": round(sent / said["offered_s"]),
            "accepted": round(said["accepted"] / said["answered_s"]),
            "processed": round(sent / (said["answered_s"] + behind_s)),
        },
        "cpu_us_per_event": us_each(cpu_s, sent),
        "cores_while_offered": cores,
        "envelopes": (envelopes := watching.envelopes()),
        "events_per_envelope": round(said["accepted"] / sum(envelopes.values()), 1),
        "pushes": {"expected": expected, "seen": seen["notifications"], "delays": seen["delays"]},
        "frames": seen.get("frames", 0),
        "behind_s": round(behind_s, 2),
        "backlog": watching.backlog,
        "memory_mb": watching.memory,
        "said": said,
    }


def all_pushed(fleet: Generator, expected: int, within_s: float = 30.0) -> None:
    """Returns when the devices have seen so many, or after that time: the figures then say how many."""
    ends_s = time.monotonic() + within_s
    while fleet.ask("count", "counted")["notifications"] < expected:
        if time.monotonic() > ends_s:
            return
        time.sleep(0.05)
