"""Runs one role in this process, with its logs and its telemetry."""

import gc

import uvloop

from reno.cli.wiring import wired
from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.server.role import run_role
from reno.telemetry.export import exporting
from reno.telemetry.logs import start_logging

_GC_THRESHOLDS = (100_000, 10, 10)


def serve(settings: Settings, role: str, priority: Priority | None) -> None:
    """Returns after SIGTERM or SIGINT and a drain; raises what the role failed with."""
    name = role if priority is None else f"{role}-{priority.word}"
    start_logging(settings.telemetry, name)
    try:
        with exporting(settings.telemetry, name):
            uvloop.run(_run(settings, role, priority))
    except BaseExceptionGroup as group:
        if (only := _only(group)) is group:
            raise
        raise only from None


def _only(error: BaseException) -> BaseException:
    """What a role fails with comes through the task groups around it: the one inside, where it is one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _collect_seldom() -> None:
    """For a process with thousands of calls at a time: what is there by now stays, and values that live as long as a stream are not looked at over and over while streams come."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def _run(settings: Settings, role: str, priority: Priority | None) -> None:
    async with wired(settings, role, priority) as wired_role:
        _collect_seldom()
        await run_role(wired_role)
