"""What `reno up` keeps in its data directory about itself: the lock, and up.json for those who want to find it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reno.cli.fault import REFUSED, Fault

LOCK = "up.lock"
STATE = "up.json"


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Holds the directory for this process; the kernel lets go of it when the process ends. Raises Fault saying who holds it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise Fault(
            f"cannot use the data directory {data_dir}: {why}\nchoose another with --data DIR"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Fault(_holder(data_dir, descriptor), REFUSED) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(data_dir: Path, descriptor: int) -> str:
    pid = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
    state = read_state(data_dir)
    at = f", ports from {state['base']}" if state else ""
    return (
        f"{data_dir} is in use by another `reno up` (pid {pid}{at})\n"
        "stop it first, or choose another directory with --data DIR"
    )


def read_state(data_dir: Path) -> dict[str, Any] | None:
    """What the `reno up` of this directory wrote last; None when there is none or it cannot be read."""
    try:
        state = json.loads((data_dir / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and "base" in state else None


def running_state(data_dir: Path) -> dict[str, Any] | None:
    """What the `reno up` that holds the directory wrote last; None when none does: one that was killed leaves its words behind."""
    with contextlib.suppress(OSError), (data_dir / LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return read_state(data_dir)
    return None


def write_state(data_dir: Path, state: Mapping[str, Any]) -> None:
    """A reader sees the old or the new, never a half."""
    path = data_dir / STATE
    fresh = path.with_suffix(".json.new")
    fresh.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def remove_state(data_dir: Path) -> None:
    """Nothing to do when there is none."""
    (data_dir / STATE).unlink(missing_ok=True)
