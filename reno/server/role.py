"""A role: what one process runs. `run_role` starts it, waits for a signal or a failure, and drains it."""

import asyncio
import signal
from collections.abc import Mapping
from typing import Protocol

import structlog

_log = structlog.get_logger("reno.server")


class Role(Protocol):
    """One of ingestion, gateway, processor, presence."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where it listens, by the port's purpose; known after start."""
        ...

    async def start(self) -> None:
        """Listens and begins its background work; health says SERVING only when it can do its job."""
        ...

    async def wait(self) -> None:
        """Raises what a background task failed with; never returns."""
        ...

    async def drain(self) -> None:
        """NOT_SERVING first, then lets go of callers, finishes what is in flight within the settings' limits, and releases everything."""
        ...


async def run_role(role: Role) -> None:
    """Until SIGTERM or SIGINT, or until the role fails; raises its failure after draining."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await role.start()
    _log.warning("INSECURE: identity is trusted as callers give it")
    _log.info("started", **role.addresses)
    failing = asyncio.create_task(role.wait())
    asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({failing, asked}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        failing.cancel() if not failing.done() else None
        _log.info("draining")
        try:
            await role.drain()
            _log.info("stopped")
        finally:
            # Why it ends comes first, whatever the drain says.
            if failing.done() and not failing.cancelled():
                failing.result()
