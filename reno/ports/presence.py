"""Who is online: how gateways say it and processors ask for it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """A gateway as presence knows it."""

    gateway_id: str
    epoch: int
    address: str


@dataclass(frozen=True, slots=True)
class Located:
    """For each gateway the members (by key) that it holds sessions of."""

    by_gateway: dict[GatewayAddress, set[bytes]] = field(default_factory=dict)


class PresenceLookup(Protocol):
    """What processors need of presence."""

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        """Raises errors.Unavailable when no replica answers in time."""
        ...


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """A device's stream at a gateway, as presence is told of it; `number` is unique within the gateway's epoch."""

    number: int
    tenant: str
    member_id: str
    device_id: str
    device_class: str


class PresenceAnnouncer(Protocol):
    """Keeps a gateway attached to every presence replica, through breaks."""

    def start(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
    ) -> None:
        """`held` lists the sessions for a new attachment. `on_known(numbers, again)` is called when a replica has confirmed sessions; again: it had to be told of them anew after a break."""
        ...

    def began(self, place: SessionPlace) -> int:
        """How many replicas are told, each of which will confirm it. Never waits."""
        ...

    def ended(self, number: int) -> None:
        """Never waits."""
        ...

    async def wait(self) -> None:
        """Returns after stop. Raises what went wrong for good: errors.WrongState (FENCED) when a newer epoch of this gateway is attached, so that this one must not serve."""
        ...

    async def stop(self) -> None:
        """Says goodbye to every replica that is attached, within a second."""
        ...
