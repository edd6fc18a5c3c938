"""What a fault leaves behind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.ground import Ground, wait_until
from tests.faults.population import Population

BITE_WITHIN_S = 20.0


@dataclass(slots=True)
class Bite:
    """`proof` is empty where nothing shows that the fault had an effect. `healed_at`: monotonic; what recovery is counted from."""

    proof: str
    healed_at: float


Strike = Callable[[Ground, Population, str, float], Awaitable[Bite]]
"""With its target, and how many seconds it lasts where it lasts."""


async def bitten(has_bitten: Callable[[], bool], lasts_s: float) -> None:
    """At least so long, and on a machine that has little time for it until there was an effect."""
    await asyncio.sleep(lasts_s)
    await wait_until(has_bitten, BITE_WITHIN_S)
