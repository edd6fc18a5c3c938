"""Finds the settings: environment over file over defaults. Unknown keys are refused, wherever they stand."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from reno.config.section import Section
from reno.config.settings import Settings

PREFIX = "RENO_"
FILE_VARIABLE = "RENO_CONFIG"
DEFAULT_FILE = Path("reno.toml")


class ConfigError(Exception):
    """A setting is unknown or wrong; one line a fault."""


class _Sources(Settings, BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_file()
        file = (TomlConfigSettingsSource(settings_cls, toml_file=path),) if path else ()
        return (init_settings, env_settings, *file)


def config_file() -> Path | None:
    """The file that is read: $RENO_CONFIG, else ./reno.toml where it exists. Raises ConfigError when the named one is missing."""
    if named := os.environ.get(FILE_VARIABLE):
        if not Path(named).is_file():
            raise ConfigError(f"{FILE_VARIABLE}: no file {named}")
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Raises ConfigError naming every unknown or wrong key. `overrides` win over everything (command line)."""
    unknown = [name for name in os.environ if name.startswith(PREFIX) and not _is_known(name)]
    if unknown:
        raise ConfigError("\n".join(f"{name}: no such setting" for name in sorted(unknown)))
    try:
        sourced = _Sources(**(overrides or {}))
    except ValidationError as error:
        raise ConfigError("\n".join(map(_line, error.errors()))) from error
    except SettingsError as error:
        raise ConfigError("\n".join(_not_json() or [str(error)])) from error
    except (ValueError, OSError) as error:  # TOML that does not parse, is not UTF-8, cannot be read
        raise ConfigError(f"{config_file()}: {error}") from error
    # Only what was said: some defaults depend on how a role is run.
    return Settings.model_validate(sourced.model_dump(exclude_unset=True))


def _line(fault: ErrorDetails) -> str:
    """What several sections have wrong together names them itself."""
    return ": ".join(filter(None, [".".join(map(str, fault["loc"])), _what(fault)]))


def _what(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        return "no such setting"
    return fault["msg"].removeprefix("Value error, ")


def _not_json() -> list[str]:
    """pydantic-settings names the section alone: the variables of it that are lists or sections, and are no JSON."""
    lines = []
    for name, value in sorted(os.environ.items()):
        if name.startswith(PREFIX) and name != FILE_VARIABLE and _wants_json(name):
            try:
                json.loads(value)
            except ValueError as error:
                lines.append(f"""{name}: {error}; write JSON, a list as ["one", "two"]""")
    return lines


def _wants_json(name: str) -> bool:
    head, _, rest = name.removeprefix(PREFIX).lower().partition("__")
    default = getattr(Settings(), head)
    if rest:
        default = getattr(default, rest)
    return isinstance(default, tuple | Section)


def _is_known(name: str) -> bool:
    if name == FILE_VARIABLE:
        return True
    section: Any = Settings
    for key in name.removeprefix(PREFIX).lower().split("__"):
        fields = getattr(section, "model_fields", {})
        if key not in fields:
            return False
        section = fields[key].annotation
    return True
