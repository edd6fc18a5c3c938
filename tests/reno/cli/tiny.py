"""Small real children and a probe that needs no server: a child answers by touching a file."""

import os
import signal
import sys
import time
from pathlib import Path

from reno.cli.child import ChildPlan

# Says that it lives every 50 ms until it is told to fall silent; drains on SIGTERM and notes when.
TINY = """
import os, pathlib, signal, sys, time
directory, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def drained(*_):
    with (directory / "drained").open("a") as f:
        f.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if name.startswith("stubborn") else drained)
print("hello from", name, flush=True)
while True:
    if not (directory / (name + ".hush")).exists():
        (directory / (name + ".alive")).write_text(str(os.getpid()))
    time.sleep(0.05)
"""


class FileProbe:
    """Answers when the child has touched its file since the last question."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def alive(self) -> bool:
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    async def ready(self) -> bool:
        return self._path.exists()

    async def close(self) -> None:
        pass


def tiny_plan(directory: Path, name: str) -> ChildPlan:
    return ChildPlan(
        name,
        [sys.executable, "-c", TINY, str(directory), name],
        dict(os.environ),
        FileProbe(directory / f"{name}.alive"),
        directory / "logs" / f"{name}.log",
    )


def is_running(pid: int) -> bool:
    """A zombie does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_gone(pids: list[int], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {list(filter(is_running, pids))}"
        time.sleep(0.02)


def kill(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)
