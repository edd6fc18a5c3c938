"""Where each setting's value comes from. Pure."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "RENO_"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: `origin` is "default", the environment variable's name or the file's."""

    name: str
    value: Any
    origin: str


def origins(
    settings: Mapping[str, Any], environment: Mapping[str, str], file_text: str, file_name: str
) -> list[SettingRow]:
    """Settings that were loaded from just these, flattened: a nested name has a dot."""
    given = {name.upper(): name for name in environment if name.upper().startswith(PREFIX)}
    file = dict(tomllib.loads(file_text))
    rows = []
    for path, value in _leaves(settings, ()):
        variable = given.get(PREFIX + "__".join(path).upper())
        section = given.get(PREFIX + path[0].upper())
        if variable is not None:
            origin = variable
        elif len(path) > 1 and section is not None and path[1] in _object(environment[section]):
            origin = section
        elif _holds(file, path):
            origin = file_name
        else:
            origin = "default"
        rows.append(SettingRow(".".join(path), value, origin))
    return rows


def _leaves(
    settings: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _object(text: str) -> Mapping[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def _holds(file: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    inner: Any = file
    for key in path:
        if not isinstance(inner, Mapping) or key not in inner:
            return False
        inner = inner[key]
    return True
