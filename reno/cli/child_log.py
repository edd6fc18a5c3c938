"""What a child writes: kept in its file, and shown where a person should know of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

MAX_LINE_BYTES = 64 * 1024
"""Longer lines are cut into pieces."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""Then the file is moved to <name>.log.1, over the one before."""

_WORTH_SHOWING = frozenset({"warning", "error", "critical"})
_NATS = re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] (?P<text>.*)$")
_GRPC_QUIET = re.compile(r"^[ID]\d{4} \d\d:\d\d:|^(WARNING: )?All log messages before absl")
_BOOKKEEPING = frozenset({"event", "level", "timestamp", "role"})
# The ready line says it once for all.
_SAID_ELSEWHERE = "INSECURE"


def worth_showing(line: str) -> str | None:
    """The line as a person wants to read it; None for what only belongs into the file."""
    if not line.strip():
        return None
    if match := _NATS.match(line):
        return match["text"] if match["level"] in {"WRN", "ERR", "FTL"} else None
    if _GRPC_QUIET.match(line):
        return None
    fields = _fields(line)
    if fields is None:
        return line
    event = str(fields.get("event", ""))
    if fields.get("level") not in _WORTH_SHOWING or event.startswith(_SAID_ELSEWHERE):
        return None
    rest = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _BOOKKEEPING)
    return f"{fields['level']}: {event} {rest}".rstrip()


def _fields(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class LineCutter:
    """Cuts a stream of bytes into lines of MAX_LINE_BYTES at most, without their ends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return lines

    def finish(self) -> list[bytes]:
        """What stands after the last line's end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class ChildLog:
    """Appends a child's lines to its file and hands those worth showing (with `verbose` all) to `show`."""

    def __init__(self, path: Path, show: Callable[[str], None], *, verbose: bool) -> None:
        self._path = path
        self._show = show
        self._verbose = verbose
        self._cutter = LineCutter()
        self._failed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._written_bytes = self._file.tell()

    def __enter__(self) -> "ChildLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for line in self._cutter.finish():
            self._take(line)
        self._file.close()

    def feed(self, data: bytes) -> None:
        """A disk that takes no more is said once; the child's lines are still read, or it would block on them."""
        for line in self._cutter.feed(data):
            self._take(line)

    def _keep(self, line: bytes) -> None:
        try:
            if self._written_bytes > MAX_FILE_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._file = self._path.open("ab", buffering=0)
                self._written_bytes = 0
            self._file.write(line + b"\n")
            self._written_bytes += len(line) + 1
        except (OSError, ValueError) as error:  # ValueError: closed, as it could not be moved
            if not self._failed:
                self._failed = True
                self._show(f"cannot write {self._path}: {error}")

    def _take(self, line: bytes) -> None:
        self._keep(line)
        text = line.decode("utf-8", "replace")
        if self._verbose:
            self._show(text)
        elif (shown := worth_showing(text)) is not None:
            self._show(shown)


def last_lines(path: Path, count: int) -> list[str]:
    """The file's end, for saying why a child did not start; empty when there is none."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 16 * 1024))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]
