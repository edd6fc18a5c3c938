"""Which port everything of one `reno up` listens on: one base, fixed distances."""

import json
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reno.cli.fault import REFUSED, USAGE, Fault

HOST = "127.0.0.1"
SPAN = 24
"""Ports from the base on that belong to one installation."""

OFFSETS: Mapping[str, int] = {
    "ingestion": 0,
    "devices": 1,
    "presence": 2,
    "deliver": 11,
    "presence-internal": 12,
    "inbox-high": 13,
    "inbox-medium": 14,
    "inbox-low": 15,
    "nats": 22,
    "nats-monitor": 23,
}

# Where Envoy has the public ports, the doors behind it have these.
_MESH_OFFSETS: Mapping[str, int] = {"ingestion-door": 3, "presence-door": 4, "mesh-admin": 5}
_DEVICES_DOORS = range(6, 10)
_DELIVER = (OFFSETS["deliver"], 16, 17, 18)

MAX_GATEWAYS = len(_DEVICES_DOORS)
"""Of one installation; several only behind the mesh."""

# Below the ports that the kernel lends to outgoing connections, so that a child's port is still free when it is started again.
_FREE_RANGE = range(10_000, 32_000)
_MAX_TRIES = 200


@dataclass(frozen=True, slots=True)
class PortPlan:
    """The ports of one installation. With `mesh` ingestion, devices and presence are Envoy's; without it there is one gateway."""

    base: int
    mesh: bool = False
    gateways: int = 1

    def __getitem__(self, name: str) -> int:
        return self.base + self._offsets()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets())

    def _offsets(self) -> Mapping[str, int]:
        if not self.mesh:
            return OFFSETS
        gateways = range(self.gateways)
        return {
            **OFFSETS,
            **_MESH_OFFSETS,
            **{_numbered("devices-door", n): _DEVICES_DOORS[n] for n in gateways},
            **{_numbered("deliver", n): _DELIVER[n] for n in gateways},
        }

    def address(self, name: str) -> str:
        """host:port."""
        return f"{HOST}:{self[name]}"

    def as_dict(self) -> dict[str, int]:
        """Every port by its name."""
        return {name: self[name] for name in self}

    def overrides(self) -> dict[str, dict[str, Any]]:
        """The settings that put every role on its port and let each find the others."""
        behind = "-door" if self.mesh else ""
        sections: dict[str, dict[str, Any]] = {
            "log": {
                "servers": [f"nats://{self.address('nats')}"],
                "monitor_urls": [f"http://{self.address('nats-monitor')}"],
            },
            "inbox": {
                "high": self.address("inbox-high"),
                "medium": self.address("inbox-medium"),
                "low": self.address("inbox-low"),
            },
            "ingestion": {"listen": self.address(f"ingestion{behind}")},
            "gateway": self.gateway(0),
            "presence": {
                "listen": self.address(f"presence{behind}"),
                "listen_internal": self.address("presence-internal"),
                "replicas": [self.address("presence-internal")],
            },
        }
        if self.mesh:
            doors = (_numbered("devices-door", n) for n in range(self.gateways))
            sections["mesh"] = {
                "listen_ingestion": self.address("ingestion"),
                "listen_devices": self.address("devices"),
                "listen_presence": self.address("presence"),
                "admin_port": self["mesh-admin"],
                "ingestion": [self.address("ingestion-door")],
                "gateways": [self.address(door) for door in doors],
                "presence": [self.address("presence-door")],
            }
        return sections

    def gateway(self, number: int) -> dict[str, str]:
        """The section gateway of one of them, counted from 0."""
        deliver = self.address(_numbered("deliver", number))
        door = _numbered("devices-door", number) if self.mesh else "devices"
        return {
            "listen": self.address(door),
            "listen_internal": deliver,
            "advertise": deliver,
        }

    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return as_environment(self.overrides())


def as_environment(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Settings as environment variables."""
    return {
        f"RENO_{section}__{key}".upper(): value if isinstance(value, str) else json.dumps(value)
        for section, keys in sections.items()
        for key, value in keys.items()
    }


def plan_ports(base: int, *, mesh: bool = False, gateways: int = 1) -> PortPlan:
    """Raises Fault where the ports do not fit, and for several gateways with nothing in front."""
    if not 1 <= base <= 65_536 - SPAN:
        raise Fault(f"--ports {base}: a base lies between 1 and {65_536 - SPAN}", USAGE)
    return _plan(base, mesh, gateways)


def _plan(base: int, mesh: bool, gateways: int) -> PortPlan:
    if gateways > 1 and not mesh:
        raise Fault("--gateways: several gateways have one port with --mesh only", USAGE)
    if not 1 <= gateways <= MAX_GATEWAYS:
        raise Fault(f"--gateways {gateways}: 1 to {MAX_GATEWAYS}", USAGE)
    return PortPlan(base, mesh, gateways)


def plan_of(state: Mapping[str, Any]) -> PortPlan:
    """Of a running installation, from its up.json."""
    return PortPlan(int(state["base"]), bool(state.get("mesh")), int(state.get("gateways", 1)))


def _numbered(name: str, number: int) -> str:
    """The first one has the plain name."""
    return f"{name}-{number + 1}" if number else name


def is_free(port: int) -> bool:
    """Whether this process could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger from before do not count, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(plan: PortPlan) -> None:
    """Raises Fault naming every port of the plan that is taken, and what wanted it."""
    taken = [name for name in plan if not is_free(plan[name])]
    if taken:
        lines = [f"port {plan[name]} is taken; {name} wants to listen there" for name in taken]
        lines.append("choose other ports with --ports BASE, or --ports 0 for free ones")
        raise Fault("\n".join(lines), REFUSED)


def pick_free(*, mesh: bool = False, gateways: int = 1) -> PortPlan:
    """A plan whose ports are all free now. Raises Fault when none is found."""
    for _ in range(_MAX_TRIES):
        plan = _plan(random.choice(_FREE_RANGE[:-SPAN]), mesh, gateways)
        if all(is_free(plan[name]) for name in plan):
            return plan
    raise Fault(f"no free ports found in {_MAX_TRIES} tries", REFUSED)
