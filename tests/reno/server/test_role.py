"""How a role's process ends."""

import asyncio
from collections.abc import Mapping

import pytest

from reno.server.role import run_role


class Role:
    """Fails as it is told."""

    def __init__(self, fails: Exception | None, drains_badly: bool) -> None:
        self.fails = fails
        self.drains_badly = drains_badly
        self.drained = 0

    @property
    def addresses(self) -> Mapping[str, str]:
        return {}

    async def start(self) -> None:
        pass

    async def wait(self) -> None:
        if self.fails is not None:
            raise self.fails
        await asyncio.Event().wait()

    async def drain(self) -> None:
        self.drained += 1
        if self.drains_badly:
            raise OSError("cannot let go")


@pytest.mark.parametrize("drains_badly", [False, True])
async def test_it_ends_with_what_the_role_failed_with(drains_badly: bool) -> None:
    role = Role(RuntimeError("a defect"), drains_badly)
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(run_role(role), 10)
    assert role.drained == 1
