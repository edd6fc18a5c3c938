"""Every event reaches one online device: what a push costs, a connection each or shared, direct or through Envoy, beside a bare grpc.aio writer."""

from dataclasses import dataclass, replace
from typing import Any, Self

from bench.bare import bare_writer
from bench.generator import generating
from bench.scenarios.peak import under_load
from bench.system import CATALOGUE, running
from bench.watching import us_each
from reno.config.transport import GRPCIO

SETTINGS: dict[str, str] = {}


@dataclass(frozen=True)
class Push:
    """Parameters; `devices` and `transport`, the gateway's, with commas."""

    devices: str = "1000,5000"
    transport: str = GRPCIO
    rate: int = 10_000
    seconds: float = 20.0
    warmup: float = 5.0
    shared: int = 100
    batch: int = 500
    mesh: bool = True
    direct: bool = True
    multiplexed: bool = True
    own: bool = True
    bare: bool = True

    def quick(self) -> Self:
        """One number of devices, seconds each."""
        return replace(self, devices="1000", seconds=6.0, warmup=3.0, rate=6_000)

    def measure(self) -> dict[str, Any]:
        """A system for each way to connect."""
        found: dict[str, Any] = {}
        for count in map(int, self.devices.split(",")):
            for way, connections in (("own", count), ("shared", max(1, count // self.shared))):
                if not (self.own if way == "own" else self.multiplexed):
                    continue
                for transport in self.transport.split(","):
                    name = f"{count} devices, {way}" + (f", {transport}" * (transport != GRPCIO))
                    if self.bare:
                        found[f"bare, {name}"] = self._bare(count, connections, transport)
                    if self.direct:
                        found[f"direct, {name}"] = self._reno(count, connections, (), transport)
                    if self.mesh:
                        found[f"mesh, {name}"] = self._reno(
                            count, connections, ("--mesh",), transport
                        )
        return found

    def _reno(
        self, count: int, connections: int, arguments: tuple[str, ...], transport: str
    ) -> dict[str, Any]:
        settings = {"RENO_GATEWAY__TRANSPORT": transport}
        with running(CATALOGUE, arguments, settings) as system:
            door = "ingestion-door" if arguments else "ingestion"
            with (
                generating(
                    "devices",
                    addresses=system.address("devices"),
                    count=count,
                    connections=connections,
                ) as fleet,
            ):
                fleet.until("ready")
                with generating(
                    "publish",
                    address=system.address(door),
                    rate=self.rate,
                    seconds=self.seconds,
                    warmup=self.warmup,
                    members=count,
                    online=count,
                    batch=self.batch,
                    drain=300,
                    shares="100,0,0",
                ) as load:
                    found = under_load(system, {"load": load, "load-devices": fleet})
        pushes = found["pushes"]
        return {
            "pushes_per_s": found["events_per_s"]["processed"],
            "cpu_us_per_push": found["cpu_us_per_event"],
            "pushes": pushes,
            "frames": found["frames"],
            "backlog": found["backlog"],
            "memory_mb": found["memory_mb"],
        }

    def _bare(self, count: int, connections: int, transport: str) -> dict[str, Any]:
        with (
            bare_writer(self.rate, count, transport) as writer,
            generating(
                "devices", addresses=writer.address, count=count, connections=connections
            ) as fleet,
        ):
            fleet.until("ready")
            writes, cpu_s, took_s = writer.writes_for(self.seconds)
        return {
            "pushes_per_s": round(writes / took_s),
            "cpu_us_per_push": us_each({"writer": cpu_s}, writes),
        }
