"""One event a call from 64 callers: what a unary Publish costs."""

from dataclasses import dataclass, replace
from typing import Any, Self

from bench.generator import generating
from bench.system import CATALOGUE, running
from bench.watching import Watching, us_each
from reno.config.transport import GRPCIO


@dataclass(frozen=True)
class Unary:
    """Parameters; `transport`, the door's, with commas."""

    transport: str = GRPCIO
    callers: int = 64
    connections: int = 4
    seconds: float = 20.0

    def quick(self) -> Self:
        """Seconds."""
        return replace(self, seconds=6.0)

    def measure(self) -> dict[str, Any]:
        """Closed loop; a system for each transport."""
        return {
            f"{self.callers} callers" + f", {transport}" * (transport != GRPCIO): self._called(
                transport
            )
            for transport in self.transport.split(",")
        }

    def _called(self, transport: str) -> dict[str, Any]:
        with (
            running(CATALOGUE, settings={"RENO_INGESTION__TRANSPORT": transport}) as system,
            generating(
                "unary",
                address=system.address("ingestion"),
                callers=self.callers,
                connections=self.connections,
                seconds=self.seconds,
            ) as load,
        ):
            load.until("measuring")
            with Watching(system, {"load": load}) as watching:
                said = load.until("called")
                cpu_s = watching.cpu_s()
        return {
            "calls_per_s": round(said["per_s"]),
            "failed": said["failed"],
            "errors": said["errors"],
            "answer_ms": said["answer"],
            "cpu_us_per_call": us_each(cpu_s, said["calls"]),
        }
