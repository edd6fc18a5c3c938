"""`reno demo`, as the command line knows it before the demo is loaded."""

from enum import StrEnum
from typing import Annotated

import typer


class DemoInbox(StrEnum):
    """What a play can be played with."""

    EMBEDDED = "embedded"
    CASSANDRA = "cassandra"


def demo(
    plain: Annotated[
        bool,
        typer.Option(help="Lines instead of the live view; the default when this is no terminal."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object at the end instead of the table.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Another seed shuffles the play and names its events anew.")
    ] = 1,
    inbox: Annotated[
        DemoInbox | None,
        typer.Option(help="Where rows are kept; Cassandra is found by the settings."),
    ] = None,
) -> None:
    """Start a whole system, play the six use cases on nine devices, and say what arrived.

    Expectations are computed from the script before anything runs and compared with what the device
    processes wrote. Exit status 0 only when every expected arrival was seen, and nothing else.
    """
    from reno.cli.demo import command  # noqa: PLC0415

    if not command.perform(plain=plain, as_json=as_json, seed=seed, engine=inbox):
        raise typer.Exit(1)
