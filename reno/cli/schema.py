"""`reno schema`: the keyspace and tables of the inbox in Cassandra."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from reno.cli.drivers import cassandra_drivers
from reno.cli.fault import REFUSED, UNREACHABLE, Fault, load_settings

if TYPE_CHECKING:
    from reno.adapters.cassandra_schema import Step
    from reno.config.cassandra_settings import CassandraSettings

app = typer.Typer(help="Cassandra's keyspace and tables for the inbox.", no_args_is_help=True)


@app.command("apply")
def apply() -> None:
    """Make what is missing: the keyspace, as inbox.replication_factor and inbox.local_dc say, and every numbered change.

    Run it again as often as you like, but one at a time.
    """
    settings = load_settings().inbox
    done = applied(settings)
    for name in done:
        typer.echo(f"applied {name}")
    if not done:
        typer.echo(f"keyspace {settings.keyspace} is up to date")


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a change.")] = False,
) -> None:
    """Say which changes the keyspace has. Exit code 1 when some are pending."""
    steps = found(load_settings().inbox)
    for step in steps:
        line = {"change": step.change.name, "state": step.state.value}
        typer.echo(json.dumps(line) if as_json else f"{step.state.value:8} {step.change.name}")
    if any(step.state.value == "pending" for step in steps):
        raise typer.Exit(REFUSED)


def applied(settings: "CassandraSettings") -> list[str]:
    """Applies what is pending; its names. Raises Fault saying why it cannot."""
    with _faults():
        from reno.adapters import cassandra_schema  # noqa: PLC0415

        return [change.name for change in cassandra_schema.apply(settings)]


def found(settings: "CassandraSettings") -> "list[Step]":
    """Every change and its state. Raises Fault as `applied` does."""
    with _faults():
        from reno.adapters import cassandra_schema  # noqa: PLC0415

        return cassandra_schema.status(settings)


@contextmanager
def _faults() -> Iterator[None]:
    from reno.errors import Unavailable, WrongState  # noqa: PLC0415

    try:
        with cassandra_drivers():
            yield
    except Unavailable as error:
        raise Fault(str(error), UNREACHABLE) from error
    except WrongState as error:
        raise Fault(str(error)) from error
