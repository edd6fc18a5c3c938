"""How processors reach gateways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reno.ports.presence import GatewayAddress
from reno.ports.shard import Shard


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A stored row on its way to a gateway; previous None: the owner does not know."""

    position: int
    previous: int | None
    row: bytes


class Deliverer(Protocol):
    """How processors reach gateways."""

    async def deliver(
        self,
        gateway: GatewayAddress,
        shard: Shard,
        rows: Sequence[DeliveryRow],
        *,
        resync: bool,
        timeout_s: float,
    ) -> None:
        """Raises errors.Unavailable (no answer in time), errors.WrongState (another epoch)."""
        ...
