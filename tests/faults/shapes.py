"""What is attacked: how many of each role, on which log and inbox, and whether Envoy stands in front."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reno.config.transport import GRPCIO, H2
from tests.faults.disks import Kind, mountable


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of what, what each process is told, and which wrong product it is. With Envoy everybody from outside comes through it."""

    name: str = "embedded"
    doors: int = 1
    gateways: int = 2
    replicas: int = 2
    processors: int = 1
    """Of each lane; several share its shards out among themselves."""
    log_servers: int = 1
    has_cassandra: bool = False
    has_mesh: bool = False
    mutant: str = ""
    disk: Kind | None = None
    """What log servers and processors keep their data on, each on a small one of its own; None: in the run's directory."""
    is_synced: bool = True
    """The log's servers sync before they confirm."""
    max_bytes_low: int = 256 << 10
    transport: str = GRPCIO
    """Of both doors."""
    environment: Mapping[str, str] = field(default_factory=dict)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(),
        Shape("cassandra", processors=2, has_cassandra=True),
        Shape("nats3", log_servers=3),
        Shape("mesh", doors=2, has_mesh=True, transport=H2),
        Shape(
            "fleet",
            doors=2,
            processors=2,
            log_servers=3,
            has_cassandra=True,
            has_mesh=True,
            transport=H2,
        ),
    )
}


NEED_DISKS: dict[str, tuple[Kind, ...]] = {
    "full-disk": ("ext4", "tmpfs"),
    "power-loss": ("ext4",),
}
"""Strikes, and the kinds of file systems that they can be made on."""


def fitted(shape: Shape, strikes: Collection[str]) -> tuple[Shape, dict[str, str]]:
    """With disks where a strike needs them; and the strikes that cannot be made on this machine, with why."""
    wanted = NEED_DISKS.keys() & strikes
    if not wanted:
        return shape, {}
    kind, why = mountable()
    left_out = {
        strike: f"no file system for it can be mounted here: {why}"
        for strike in sorted(wanted)
        if kind not in NEED_DISKS[strike]
    }
    return replace(shape, disk=kind), left_out


def numbered(name: str, count: int) -> list[str]:
    """The name itself where there is one."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(count)]
