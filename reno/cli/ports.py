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

# Below the ports that the kernel lends to outgoing connections, so that a child's port is still free when it is started again.
_FREE_RANGE = range(10_000, 32_000)
_MAX_TRIES = 200


@dataclass(frozen=True, slots=True)
class PortPlan:
    """The ports of one installation."""

    base: int

    def __getitem__(self, name: str) -> int:
        return self.base + OFFSETS[name]

    def __iter__(self) -> Iterator[str]:
        return iter(OFFSETS)

    def address(self, name: str) -> str:
        """host:port."""
        return f"{HOST}:{self[name]}"

    def as_dict(self) -> dict[str, int]:
        """Every port by its name."""
        return {name: self[name] for name in OFFSETS}

    def overrides(self) -> dict[str, dict[str, Any]]:
        """The settings that put every role on its port and let each find the others."""
        return {
            "log": {
                "servers": [f"nats://{self.address('nats')}"],
                "monitor_url": f"http://{self.address('nats-monitor')}",
            },
            "inbox": {
                "high": self.address("inbox-high"),
                "medium": self.address("inbox-medium"),
                "low": self.address("inbox-low"),
            },
            "ingestion": {"listen": self.address("ingestion")},
            "gateway": {
                "listen": self.address("devices"),
                "listen_internal": self.address("deliver"),
                "advertise": self.address("deliver"),
            },
            "presence": {
                "listen": self.address("presence"),
                "listen_internal": self.address("presence-internal"),
                "replicas": [self.address("presence-internal")],
            },
        }

    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return {
            f"RENO_{section}__{key}".upper(): value if isinstance(value, str) else json.dumps(value)
            for section, keys in self.overrides().items()
            for key, value in keys.items()
        }


def plan_ports(base: int) -> PortPlan:
    """Raises Fault where the ports do not fit."""
    if not 1 <= base <= 65_536 - SPAN:
        raise Fault(f"--ports {base}: a base lies between 1 and {65_536 - SPAN}", USAGE)
    return PortPlan(base)


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


def pick_free() -> PortPlan:
    """A plan whose ports are all free now. Raises Fault when none is found."""
    for _ in range(_MAX_TRIES):
        plan = PortPlan(random.choice(_FREE_RANGE[:-SPAN]))
        if all(is_free(plan[name]) for name in plan):
            return plan
    raise Fault(f"no free ports found in {_MAX_TRIES} tries", REFUSED)
