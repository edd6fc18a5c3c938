"""Runs one role in this process, with its logs and its telemetry."""

import asyncio

from reno.cli.wiring import wired
from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.server.role import run_role
from reno.telemetry.export import start_export
from reno.telemetry.logs import start_logging


def serve(settings: Settings, role: str, priority: Priority | None) -> None:
    """Returns after SIGTERM or SIGINT and a drain; raises what the role failed with."""
    name = role if priority is None else f"{role}-{priority.word}"
    start_logging(settings.telemetry, name)
    start_export(settings.telemetry, name)
    asyncio.run(_run(settings, role, priority))


async def _run(settings: Settings, role: str, priority: Priority | None) -> None:
    async with wired(settings, role, priority) as wired_role:
        await run_role(wired_role)
