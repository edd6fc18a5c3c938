"""`reno nats`: what a cluster of NATS servers needs to know of RENO."""

import typer

app = typer.Typer(help="For the log's servers.", no_args_is_help=True)


@app.callback()
def nats() -> None:
    """For the log's servers."""


@app.command("config")
def config() -> None:
    """Print the accounts block of nats.conf: a user for each role, with the least that it needs.

    The server reads each password from its environment (NATS_INGESTION_PASSWORD, ...); a role
    gives the same as RENO_LOG__PASSWORD, and its name as RENO_LOG__USER.
    """
    from reno.adapters.nats_permissions import render_accounts  # noqa: PLC0415

    typer.echo(render_accounts(), nl=False)
