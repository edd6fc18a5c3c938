"""`reno doctor`: what is wrong here, and what to do about it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reno.cli.fault import Fault, load_settings

if TYPE_CHECKING:
    from reno.cli.checks import Check


def doctor(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Of the `reno up` to look at.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> None:
    """Look at this machine, the settings and what runs, and say what to do.

    Exit code 1 when something fails; warnings do not count.
    """
    from reno.cli.checks import Health  # noqa: PLC0415

    checks = _all_checks(data)
    for check in checks:
        typer.echo(json.dumps(asdict(check)) if as_json else _text(check))
    if any(check.health is Health.FAIL for check in checks):
        raise typer.Exit(1)


def _all_checks(data: Path | None) -> "list[Check]":
    import asyncio  # noqa: PLC0415

    from reno.cli.checks import fail, ok  # noqa: PLC0415
    from reno.cli.machine_checks import machine_checks  # noqa: PLC0415
    from reno.cli.ports import plan_of  # noqa: PLC0415
    from reno.cli.running_checks import running_checks  # noqa: PLC0415
    from reno.cli.up_files import running_state  # noqa: PLC0415
    from reno.config.loading import config_file  # noqa: PLC0415

    mesh = False
    try:
        settings = load_settings({"data_dir": data} if data else None)
        state = running_state(settings.data_dir)
        if state is not None:
            # It runs, maybe on other ports than the settings say.
            plan = plan_of(state)
            mesh = plan.mesh
            settings = load_settings({"data_dir": settings.data_dir, **plan.overrides()})
    except Fault as fault:
        faults = "; ".join(fault.text.splitlines())
        return [fail("settings", faults, "mend the variable or the file; see reno config show")]
    where = ok("settings", f"from {config_file() or 'environment and defaults'}")
    return [where, *machine_checks(settings), *asyncio.run(running_checks(settings, mesh=mesh))]


def _text(check: "Check") -> str:
    line = f"{check.health.value:4}  {check.name}: {check.found}"
    return f"{line}\n      → {check.advice}" if check.advice else line
