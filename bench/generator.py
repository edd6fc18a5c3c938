"""The load generator (load/, in Go) as a process: what it says, what it is told, what it used."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.system import cpu_s_of

ROOT = Path(__file__).parent.parent
BINARY = ROOT / "build" / "reno-load"
LATE_S = 60.0
ENVIRONMENT = {"GOGC": "400"}
"""Of the process, beside what this one has."""


def build() -> None:
    """Of the binary; Go does nothing where it is newer than its source. Raises subprocess.CalledProcessError, also where Go is missing."""
    subprocess.run([ROOT / "scripts" / "build-load"], check=True)


class Generator:
    """One that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def say(self, word: str) -> None:
        """For devices: stall or read, which have no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def until(self, event: str) -> dict[str, Any]:
        """Its line that says so. Raises RuntimeError when it ends before that."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
        raise RuntimeError(f"reno-load ended with {self._process.wait()} before it was {event}")

    def ask(self, word: str, answer: str) -> dict[str, Any]:
        """For devices: count, since or end."""
        self.say(word)
        return self.until(answer)

    def cpu_s(self) -> float:
        """Of the process, until now."""
        return cpu_s_of(self._process.pid)


@contextmanager
def generating(command: str, **options: object) -> Iterator[Generator]:
    """Runs it with `--option value`; killed at the end where it has not ended."""
    process = subprocess.Popen(
        command_line(command, **options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    try:
        yield Generator(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def command_line(command: str, **options: object) -> list[str]:
    """What runs it with `--option value`."""
    said = (f"--{name.replace('_', '-')}={_text(value)}" for name, value in options.items())
    return [str(BINARY), command, *said]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def total(counts: Mapping[str, int]) -> int:
    """Of all lanes."""
    return sum(counts.values())
