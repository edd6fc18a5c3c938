"""The command `reno`. Every command imports what it needs when it runs, so that help is quick."""

from typing import Any

import typer
from typer.core import TyperGroup

from reno.cli import (
    catalogue,
    config,
    dlq,
    doctor,
    inbox,
    lane,
    mesh,
    nats,
    presence,
    publish,
    pull,
    schema,
    serve,
    subscribe,
    up,
)
from reno.cli.demo_entry import demo
from reno.cli.fault import Fault


class Commands(TyperGroup):
    """Says a fault as lines on standard error and ends with its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Nothing but faults is caught: a traceback is a defect."""
        try:
            return super().invoke(ctx)
        except Fault as fault:
            for line in fault.text.splitlines():
                typer.echo(f"reno: {line}", err=True)
            raise typer.Exit(fault.exit_code) from fault
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(130) from interrupt


app = typer.Typer(
    cls=Commands,
    name="reno",
    help="Tells every device of a member, quickly, that something about the member changed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("publish")(publish.publish)
app.command("subscribe")(subscribe.subscribe)
app.command("pull")(pull.pull)
app.command("presence")(presence.presence)
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(config.app, name="config")
app.add_typer(inbox.app, name="inbox")
app.add_typer(lane.app, name="lane")
app.add_typer(mesh.app, name="mesh")
app.add_typer(nats.app, name="nats")
app.add_typer(schema.app, name="schema")
app.add_typer(dlq.app, name="dlq")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo)


def main() -> None:
    """The entry point of the distribution."""
    app(prog_name="reno")


if __name__ == "__main__":
    main()
