"""What a person is told when a command cannot go on: lines and an exit code, never a traceback."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reno.config.settings import Settings

REFUSED = 1
USAGE = 2
UNREACHABLE = 69
"""EX_UNAVAILABLE of sysexits.h."""
UNCERTAIN = 75
"""EX_TEMPFAIL of sysexits.h: repeat."""
INTERRUPTED = 130


class Fault(Exception):
    """Ends the command; each line of the text is printed on standard error."""

    def __init__(self, text: str, exit_code: int = REFUSED) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code


def load_settings(overrides: Mapping[str, Any] | None = None) -> "Settings":
    """Raises Fault (exit 2) with one line for each setting that is wrong."""
    from reno.config.loading import ConfigError, load  # noqa: PLC0415

    try:
        return load(overrides)
    except ConfigError as error:
        raise Fault(str(error), USAGE) from error
