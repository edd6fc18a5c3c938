"""`reno up`: everything on one machine."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reno.cli.fault import load_settings

if TYPE_CHECKING:
    from reno.cli.ports import PortPlan
    from reno.config.settings import Settings


class Engine(StrEnum):
    """Of the inbox."""

    EMBEDDED = "embedded"
    MOVING = "moving"
    CASSANDRA = "cassandra"


def up(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where everything is kept.")
    ] = None,
    ports: Annotated[
        int, typer.Option(metavar="BASE", min=0, help="First of 24 ports; 0: free ones are picked.")
    ] = 7400,
    mesh: Annotated[
        bool, typer.Option("--mesh", help="With Envoy in front: the public ports are its.")
    ] = False,
    gateways: Annotated[int, typer.Option(min=1, help="How many; several only with --mesh.")] = 1,
    inbox: Annotated[
        Engine | None, typer.Option(help="Where rows are kept; Cassandra is found by the settings.")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(min=1, help="Of a lane whose stream is new.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show all logs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Run all of RENO on this machine until Ctrl-C: log, processors, presence and both doors.

    Every role is a process of its own, on 127.0.0.1. One that dies or falls silent is started
    again. Ctrl-C drains all of them; a second one ends them at once. The data stays for the next
    start. Logs are in DIR/logs.
    """
    import asyncio  # noqa: PLC0415

    from reno.cli.catalogue import load_catalogue  # noqa: PLC0415
    from reno.cli.ports import pick_free, plan_ports, require_free  # noqa: PLC0415
    from reno.cli.up_files import locked  # noqa: PLC0415

    settings = load_settings(_overrides(data, shards, inbox))
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    load_catalogue(settings.catalogue)
    if settings.inbox.engine != Engine.EMBEDDED:
        from reno.cli.schema import applied  # noqa: PLC0415

        applied(settings.inbox)
    with locked(settings.data_dir):
        plan = (
            plan_ports(ports, mesh=mesh, gateways=gateways)
            if ports
            else pick_free(mesh=mesh, gateways=gateways)
        )
        require_free(plan)
        code = asyncio.run(_run(settings, plan, verbose, as_json))
    raise typer.Exit(code)


def _overrides(data: Path | None, shards: int | None, inbox: Engine | None) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    if data is not None:
        overrides["data_dir"] = data
    if shards is not None:
        overrides["log"] = {"shards": shards}
    if inbox is not None:
        overrides["inbox"] = {"engine": inbox.value}
    return overrides


async def _run(settings: "Settings", plan: "PortPlan", verbose: bool, as_json: bool) -> int:
    from reno.cli.installation import Installation  # noqa: PLC0415
    from reno.cli.up_children import (  # noqa: PLC0415
        STOP_ORDER,
        log_child,
        mesh_child,
        role_children,
    )
    from reno.cli.up_report import JsonReport, PlainReport  # noqa: PLC0415

    installation = Installation(
        settings,
        plan,
        log_child(settings, plan),
        [*role_children(settings, plan), *([mesh_child(settings, plan)] if plan.mesh else [])],
        STOP_ORDER,
        JsonReport() if as_json else PlainReport(),
        verbose=verbose,
    )
    return await installation.run()
