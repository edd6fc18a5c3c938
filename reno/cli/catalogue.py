"""`reno catalogue`: the event types that the door knows."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reno.cli.fault import REFUSED, USAGE, Fault, load_settings

if TYPE_CHECKING:
    from reno.catalogue.catalogue import Catalogue

app = typer.Typer(help="The event types that the door knows.", no_args_is_help=True)

_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


@app.command("show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the catalogue that is in use."""
    catalogue = load_catalogue(load_settings().catalogue)
    rows = {name: _entry(catalogue, name) for name in catalogue}
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("type", "priority", "max_age", "ttl", "merge", "action", "more", box=None)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for name, row in rows.items():
        merge = row["merge"] + (" by key" if row["merge_key"] == "required" else "")
        actions = "\n".join(
            action if device_class == "default" else f"{device_class}: {action}"
            for device_class, action in row["action"].items()
        )
        table.add_row(name, row["priority"], row["max_age"], row["ttl"], merge, actions, _more(row))
    Console().print(table)


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="A catalogue in TOML.")]) -> None:
    """Say whether a file is a catalogue, and what is wrong with it."""
    catalogue = load_catalogue(file, exit_code=REFUSED)
    typer.echo(f"{file}: {len(catalogue)} event types")


def _more(row: dict[str, Any]) -> str:
    """What is not as by default."""
    notes = [f"window {row['window']}"] if row["window"] != "10m" else []
    notes += ["echo"] if row["echo"] else []
    notes += ["store only"] if row["delivery"] == "store_only" else []
    notes += [f"only {', '.join(row['device_classes'])}"] if row["device_classes"] else []
    return ", ".join(notes)


def load_catalogue(path: Path | None, exit_code: int = USAGE) -> "Catalogue":
    """Raises Fault with a line for each thing that is wrong."""
    from reno.catalogue.catalogue import CatalogueError, load  # noqa: PLC0415

    try:
        return load(path)
    except CatalogueError as error:
        lines = (f"{path or 'catalogue'}: {line}" for line in str(error).splitlines())
        raise Fault("\n".join(lines), exit_code) from error
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}", exit_code) from error
    except UnicodeDecodeError as error:
        raise Fault(f"{path}: not UTF-8", exit_code) from error


def _entry(catalogue: "Catalogue", name: str) -> dict[str, Any]:
    entry = catalogue[name]
    return {
        "priority": entry.priority.word,
        "max_age": written(entry.max_age_ms),
        "ttl": written(entry.ttl_ms),
        "window": written(entry.duplicate_window_ms),
        "merge": entry.merge,
        "merge_key": entry.merge_key,
        "delivery": entry.delivery,
        "echo": entry.echo,
        "device_classes": list(entry.device_classes),
        "action": dict(entry.action),
    }


def written(duration_ms: int) -> str:
    """As the catalogue's TOML writes it, in the largest unit that is exact."""
    for unit, unit_ms in _UNITS_MS:
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms}ms"
