"""A gateway with all its devices, then a processor at its peak, are killed; a gateway drains: until everybody is current again, and what high priority for others' devices notices."""

import math
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

import grpc

from bench.generator import Generator, generating
from bench.probe import DEVICES, probed
from bench.system import CATALOGUE, System, running

SHARES = (0.5, 0.99, 1.0)
BACK_WITHIN_S = 60.0


@dataclass(frozen=True)
class Recovery:
    """Parameters."""

    devices: int = 10_000
    shared: int = 100
    rate: int = 100_000
    seconds: float = 15.0

    def quick(self) -> Self:
        """A tenth of the devices and of the load."""
        return replace(self, devices=1_000, rate=8_000, seconds=6.0)

    def measure(self) -> dict[str, Any]:
        """Two gateways, devices connected to them directly."""
        with running(CATALOGUE, ("--mesh", "--gateways", "2")) as system:
            return {
                "gateway killed": self._gateway_lost(system, signal.SIGKILL),
                "gateway drained": self._gateway_lost(system, signal.SIGTERM),
                "processor killed": self._processor_killed(system),
            }

    def _gateway_lost(self, system: System, how: signal.Signals) -> dict[str, Any]:
        """The herd's first door is gateway 1, the neighbours' is gateway 2."""
        doors = [system.address("devices-door"), system.address("devices-door-2")]
        until_serving(doors[0])
        with ExitStack() as stack:
            neighbours = stack.enter_context(
                generating("devices", addresses=",".join(doors[::-1]), count=DEVICES, connections=1)
            )
            herd = stack.enter_context(
                generating(
                    "devices",
                    addresses=",".join(doors),
                    first=DEVICES,
                    count=self.devices,
                    connections=max(1, self.devices // self.shared),
                )
            )
            neighbours.until("ready")
            herd.until("ready")
            door = "ingestion-door"
            before = probed(system, neighbours, self.seconds, 100.0, door=door)
            herd.ask(f"since {time.time():.6f}", "since")
            struck_s = time.time()
            os.kill(system.pids()["gateway-1"], how)
            meanwhile = probed(system, neighbours, self.seconds, 100.0, door=door)
            all_back(herd, self.devices)
            seen = herd.ask("end", "ended")
        return {
            "devices": self.devices,
            "back": seen["back"],
            "streams_ended": seen["ends"],
            "first_frame_s": by_when(seen["returns"]["framed_unix_s"], struck_s, self.devices),
            "current_s": by_when(seen["returns"]["current_unix_s"], struck_s, self.devices),
            "neighbours_before": before,
            "neighbours_meanwhile": meanwhile,
        }

    def _processor_killed(self, system: System) -> dict[str, Any]:
        """Its lane's backlog grows until it is back; recovered when no more waits than before."""
        with generating(
            "publish",
            address=system.address("ingestion-door"),
            rate=self.rate,
            seconds=4 * self.seconds,
            drain=300,
        ) as load:
            load.until("started")
            time.sleep(self.seconds / 2)
            usual = max(waiting(system) for _ in range(10) if not time.sleep(0.2))
            struck_s, killed = time.monotonic(), system.pids()["processor-low"]
            os.kill(killed, signal.SIGKILL)
            back_s, most, recovered_s = None, 0, None
            while time.monotonic() - struck_s < 3 * self.seconds and recovered_s is None:
                time.sleep(0.1)
                now_s = time.monotonic() - struck_s
                most = max(most, backlog := waiting(system))
                if back_s is None and system.pids().get("processor-low") not in {None, killed}:
                    back_s = now_s
                if back_s is not None and now_s > back_s + 1 and backlog <= usual:
                    recovered_s = now_s
            said = load.until("published")
        system.until_processed()
        return {
            "started_again_s": round(back_s, 2) if back_s else None,
            "recovered_s": round(recovered_s, 2) if recovered_s else None,
            "envelopes_waiting_before": usual,
            "envelopes_waiting_most": most,
            "uncertain": said["uncertain"],
            "refused": said["refused"],
            "accepted_ms": said["answer"],
        }


def waiting(system: System) -> int:
    """Envelopes of low that are not processed."""
    return system.log()["RENO_LOW"]["messages"]


def until_serving(address: str) -> None:
    """Something there takes connections. Raises grpc.FutureTimeoutError."""
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(BACK_WITHIN_S)


def all_back(herd: Generator, count: int) -> None:
    """Or as many as are after that time."""
    ends_s = time.monotonic() + BACK_WITHIN_S
    while herd.ask("count", "counted")["back"] < count and time.monotonic() < ends_s:
        time.sleep(0.2)


def by_when(times_s: list[float], struck_s: float, count: int) -> dict[str, float | None]:
    """Seconds until so many of all; None: never."""
    return {
        f"{share:.0%}": round(times_s[math.ceil(count * share) - 1] - struck_s, 2)
        if len(times_s) >= count * share
        else None
        for share in SHARES
    }
