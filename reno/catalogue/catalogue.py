"""The catalogue: every event type that the door knows."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from reno.catalogue.entry import Entry, Name

Catalogue = Mapping[str, Entry]

_ADAPTER: TypeAdapter[dict[str, Entry]] = TypeAdapter(dict[Name, Entry])


class CatalogueError(Exception):
    """The file is no catalogue; one line a fault, each naming the entry and the key."""


def parse(text: str) -> Catalogue:
    """Raises CatalogueError with every fault in the text."""
    try:
        return _ADAPTER.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"not TOML: {error}") from error
    except ValidationError as error:
        lines = (
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise CatalogueError("\n".join(lines)) from error


def load(path: Path | None) -> Catalogue:
    """The catalogue at the path, or the one that is shipped. Raises CatalogueError, OSError."""
    return parse(path.read_text(encoding="utf-8") if path else shipped_text())


def shipped_text() -> str:
    """The TOML of the default catalogue."""
    return files("reno.catalogue").joinpath("default.toml").read_text(encoding="utf-8")
