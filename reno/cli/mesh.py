"""`reno mesh`: Envoy in front of the doors."""

import json

import typer

from reno.cli.fault import load_settings

app = typer.Typer(help="Envoy in front of the doors.", no_args_is_help=True)


@app.callback()
def mesh() -> None:
    """Envoy in front of the doors."""


@app.command("config")
def config() -> None:
    """Print Envoy's bootstrap, rendered from the settings (section mesh), as JSON.

    For example: reno mesh config > envoy.json && envoy -c envoy.json
    """
    from reno.adapters.envoy_config import bootstrap  # noqa: PLC0415

    typer.echo(json.dumps(bootstrap(load_settings()), indent=2))
