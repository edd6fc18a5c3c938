"""An event type's entry: everything that is decided about an event before it is seen."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from reno.domain.priority import Priority

LONGEST_WINDOW_MS = 3_600_000
"""No duplicate window is longer: the journal and the fold remember ids for this long, whatever the catalogue says later."""

LONGEST_TTL_MS = 30 * 86_400_000
"""No ttl is longer: a cursor older than this cannot be resumed without a gap."""

DEFAULT_WINDOW_MS = 600_000

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(value: object) -> object:
    """'10m' to 600000. Raises ValueError for anything without a unit."""
    if not isinstance(value, str) or not (match := re.fullmatch(r"(\d+)(ms|s|m|h|d)", value)):
        raise ValueError("a duration is a whole number and a unit: 500ms, 30s, 10m, 1h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]


def _lane(value: object) -> object:
    if isinstance(value, str) and value in {lane.word for lane in Priority}:
        return Priority[value.upper()]
    raise ValueError("a priority is high, medium or low")


Milliseconds = Annotated[int, BeforeValidator(_milliseconds)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class Entry(BaseModel):
    """One event type. Written in TOML with units in the values; durations are kept in milliseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: Annotated[Priority, BeforeValidator(_lane)]
    max_age_ms: Milliseconds = Field(alias="max_age", gt=0)
    ttl_ms: Milliseconds = Field(alias="ttl", gt=0, le=LONGEST_TTL_MS)
    window_ms: Milliseconds = Field(alias="window", default=DEFAULT_WINDOW_MS, le=LONGEST_WINDOW_MS)
    merge: Literal["none", "latest"] = "none"
    merge_key: Literal["optional", "required"] = "optional"
    device_classes: tuple[Name, ...] = ()
    delivery: Literal["push", "store_only"] = "push"
    echo: bool = False
    action: dict[Name, Name]

    @field_validator("action", mode="before")
    @classmethod
    def _one_action_for_all(cls, value: Any) -> Any:
        return {"default": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_whole(self) -> "Entry":
        if "default" not in self.action:
            raise ValueError("action needs a default")
        if self.max_age_ms > self.ttl_ms:
            raise ValueError("max_age is longer than ttl: it would be pushed after it expired")
        if "window_ms" in self.model_fields_set and self.window_ms > self.ttl_ms:
            raise ValueError("window is longer than ttl")
        return self

    @property
    def duplicate_window_ms(self) -> int:
        """Never longer than the ttl."""
        return min(self.window_ms, self.ttl_ms)
