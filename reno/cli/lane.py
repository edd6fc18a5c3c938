"""`reno lane reshard`: another number of shards for a lane, while everything runs."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from reno.cli.drivers import cassandra_drivers
from reno.cli.fault import UNREACHABLE, Fault, load_settings
from reno.domain.priority import Priority

if TYPE_CHECKING:
    from reno.config.settings import Settings

MAX_SHARDS = 1024

app = typer.Typer(help="A lane as a whole.", no_args_is_help=True)

Lane = Annotated[str, typer.Argument(metavar="LANE", help="high, medium or low.")]
Shards = Annotated[int, typer.Option(min=1, max=MAX_SHARDS, help="How many it is to have.")]
Patience = Annotated[
    float,
    typer.Option(
        "--patience", metavar="SECONDS", min=1, help="Then the lane opens again as it was."
    ),
]


@app.callback()
def _lane() -> None:
    """Keeps `reshard` a command of its own."""


@app.command("reshard")
def reshard(lane: Lane, shards: Shards, patience: Patience = 60.0) -> None:
    """Give a lane another number of shards. Its inbox must be in Cassandra.

    What the lane holds is stored and delivered first; who publishes to it meanwhile is told to repeat.
    Run it again when it was interrupted: it goes on. Half as many or twice as many cost least.

    Settings are a processor's (RENO_INBOX__...); at a log that knows users it is `operator`.
    """
    try:
        priority = Priority[lane.upper()]
    except KeyError:
        raise typer.BadParameter("high, medium or low", param_hint="LANE") from None
    settings = load_settings()
    if settings.inbox.engine != "cassandra":
        raise Fault(
            f"inbox.engine is {settings.inbox.engine}: an embedded inbox keeps the shards that it was made with; move it to Cassandra first (docs/moving.md)"
        )
    asyncio.run(_reshard(settings, priority, shards, patience))
    typer.echo(
        f"set lanes.{priority.word}.shards = {shards} everywhere: a lane whose log is lost is made anew with what the settings say"
    )


async def _reshard(settings: "Settings", lane: Priority, shards: int, patience_s: float) -> None:
    from reno.cli.wiring import resharding  # noqa: PLC0415
    from reno.config.settings import TelemetrySettings  # noqa: PLC0415
    from reno.errors import Unavailable, WrongState  # noqa: PLC0415
    from reno.ports import CannotReshard, LogAbsent, LogFull, LogUnconfirmed  # noqa: PLC0415
    from reno.telemetry.logs import start_logging  # noqa: PLC0415

    start_logging(TelemetrySettings(log_level="error", log_format="text"), "reshard")
    try:
        with cassandra_drivers():
            async with resharding(settings, lane, typer.echo, patience_s) as work:
                await work.run(shards)
    except (CannotReshard, WrongState) as error:
        raise Fault(str(error)) from error
    except TimeoutError as error:
        raise Fault("the log does not answer: no connection", UNREACHABLE) from error
    except (LogAbsent, LogFull, LogUnconfirmed, Unavailable) as error:
        raise Fault(f"{error}; {_may_be_closed(lane)}", UNREACHABLE) from error
    except asyncio.CancelledError:
        typer.echo(f"interrupted; {_may_be_closed(lane)}", err=True)
        raise


def _may_be_closed(lane: Priority) -> str:
    return f"lane {lane.word} may be closed: run it again, it goes on"
