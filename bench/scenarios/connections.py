"""Idle streams until the machine says stop: what each holds, how fast they come, what keeping them alive costs; a connection each, then shared."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import Generator, generating
from bench.system import System, running
from bench.watching import Watching

PER_PROCESS = 15_000
"""Of a generator's connections: it may open 20,000 files."""

ROLES = ("gateway", "presence")


@dataclass(frozen=True)
class Connections:
    """Parameters."""

    streams: int = 100_000
    gateways: int = 4
    shared: int = 100
    idle_s: float = 60.0
    within_s: float = 300.0
    opening: int = 128

    def quick(self) -> Self:
        """Few, and not for long."""
        return replace(self, streams=2_000, gateways=2, idle_s=20.0, within_s=60.0)

    def measure(self) -> dict[str, Any]:
        """Two systems: the devices connect to the gateways themselves."""
        return {
            "a connection each": self._held(1),
            f"{self.shared} a connection": self._held(self.shared),
        }

    def _held(self, per_connection: int) -> dict[str, Any]:
        settings = {"RENO_GATEWAY__MAX_SESSIONS": str(2 * self.streams)}
        arguments = ("--mesh", "--gateways", str(self.gateways))
        with running(arguments=arguments, settings=settings) as system, ExitStack() as stack:
            before = system.resident_bytes()
            fleets, said = self._open(system, stack, per_connection)
            held = sum(each["current"] for each in said)
            if not held:
                raise RuntimeError("no stream was current")
            after = system.resident_bytes()
            with Watching(system, {f"load-{n}": one for n, one in enumerate(fleets)}) as watching:
                time.sleep(self.idle_s)
                cpu_s = watching.cpu_s()
        took_s = max(each["seconds"] for each in said)
        used_s = _by_role(cpu_s)
        return {
            "streams": held,
            "stopped_by": sorted({each["stopped"] for each in said if "stopped" in each}),
            "opened_per_s": round(held / took_s),
            "bytes_per_stream": {
                role: round(grown / held)
                for role, grown in _by_role(
                    {name: float(after[name] - before[name]) for name in after}
                ).items()
            },
            "cores_per_10k_streams": {
                role: round(used / self.idle_s / held * 10_000, 3) for role, used in used_s.items()
            },
            "memory_mb": watching.memory[-1:],
        }

    def _open(
        self, system: System, stack: ExitStack, per_connection: int
    ) -> tuple[list[Generator], list[dict[str, Any]]]:
        """Generators side by side, each with as many devices as it has files for."""
        most = PER_PROCESS * per_connection
        processes = -(-self.streams // most)
        each = self.streams // processes
        numbers = range(1, self.gateways + 1)
        doors = [
            system.address("devices-door" if number == 1 else f"devices-door-{number}")
            for number in numbers
        ]
        fleets = [
            stack.enter_context(
                generating(
                    "devices",
                    addresses=",".join(doors),
                    spread=True,
                    first=number * each,
                    count=each,
                    connections=-(-each // per_connection),
                    opening=self.opening,
                    stay=False,
                    within=self.within_s,
                    life=self.within_s + self.idle_s + 60,
                )
            )
            for number in range(processes)
        ]
        return fleets, [one.until("ready") for one in fleets]


def _by_role(values: dict[str, float]) -> dict[str, float]:
    """Gateways together."""
    return {
        role: sum(value for name, value in values.items() if name.startswith(role))
        for role in ROLES
    }
