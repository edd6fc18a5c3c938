"""What `reno doctor` finds: each with what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How bad it is; only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, what was found, and what a person should do (empty when nothing)."""

    name: str
    health: Health
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name, Health.OK, found)


def warn(name: str, found: str, advice: str) -> Check:
    """It works, but may surprise."""
    return Check(name, Health.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """It does not work like this."""
    return Check(name, Health.FAIL, found, advice)
