"""`reno config`: the settings in force, and where each comes from."""

import json
import os
from typing import Annotated, Any

import typer

from reno.cli.fault import load_settings

app = typer.Typer(help="The settings in force.", no_args_is_help=True)


@app.command("show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print every setting with where it comes from: environment, file or default."""
    from reno.cli.setting_origins import origins  # noqa: PLC0415
    from reno.config.loading import config_file  # noqa: PLC0415

    settings = load_settings().model_dump(mode="json")
    path = config_file()
    text = path.read_text(encoding="utf-8") if path else ""
    rows = origins(settings, dict(os.environ), text, str(path))
    if as_json:
        lines: dict[str, Any] = {row.name: {"value": row.value, "from": row.origin} for row in rows}
        typer.echo(json.dumps(lines, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("setting", "value", "from", box=None)
    for row in rows:
        style = "" if row.origin == "default" else "bold"
        shown = (row.name, json.dumps(row.value), row.origin)
        table.add_row(*(Text(cell, style=style) for cell in shown))
    Console(soft_wrap=True).print(table)
