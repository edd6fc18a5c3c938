"""Where a role's time goes while a scenario measures: py-spy's stacks in build/, and the functions that took most of it."""

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).parent.parent
SAMPLES_PER_S = 200
TOP = 15
OURS = re.compile(r"\((gateway|processor|presence|reno/(?!cli))")
"""Frames below which everything happens say nothing."""

chosen: list[str] = []
"""Roles to record; bench.run puts them here. Empty: nothing is recorded."""

threads_s: dict[str, Counter[str]] = {}
"""What each thread of a recorded role used meanwhile."""


def recording(pids: Mapping[str, int]) -> AbstractContextManager[None]:
    """Of the chosen roles, from when it is entered until it is left."""
    return _recording({role: pids[role] for role in chosen}) if chosen else nullcontext()


def stacks_of(role: str) -> Path:
    """Where they are kept: a stack a line, with how often it was seen."""
    return ROOT / "build" / f"profile-{role}.txt"


@contextmanager
def _recording(pids: Mapping[str, int]) -> Iterator[None]:
    spies = [
        subprocess.Popen(
            [Path(sys.executable).with_name("py-spy"), "record", "--pid", str(pid),
             "--rate", str(SAMPLES_PER_S), "--format", "raw", "--function", "--gil",
             "--output", stacks_of(role)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for role, pid in pids.items()
    ]  # fmt: skip
    before = {role: _threads(pid) for role, pid in pids.items()}
    try:
        yield
    finally:
        for role, pid in pids.items():
            used = _threads(pid)
            used.subtract(before[role])
            threads_s[role] = used
        for spy in spies:
            spy.send_signal(signal.SIGINT)
        for spy in spies:
            spy.wait(60)


def _threads(pid: int) -> Counter[str]:
    """CPU in hundredths of a second, by name."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
        used = fields.split()
        main = "main" if task.name == str(pid) else name
        found[main] += int(used[11]) + int(used[12])
    return found


def shares(stacks: str) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Of all samples: those in which a function ran itself, and those in which it or what it called did. Most first."""
    itself: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        stack, _, seen = line.rpartition(" ")
        frames = stack.split(";")
        total += int(seen)
        itself[frames[-1]] += int(seen)
        within.update({frame: int(seen) for frame in frames if OURS.search(frame)})

    def most(counts: Counter[str]) -> list[tuple[str, float]]:
        return [(name, round(seen / total, 3)) for name, seen in counts.most_common(TOP)]

    return most(itself), most(within)


def said(role: str) -> str:
    """Two tables as text."""
    used = threads_s[role]
    lines = [f"{role}, CPU by thread"]
    lines += [
        f"  {ticks / used.total():6.1%}  {name}" for name, ticks in used.most_common(8) if ticks
    ]
    for head, found in zip(
        ("time of Python by function", "with what it called"),
        shares(stacks_of(role).read_text()),
        strict=True,
    ):
        lines.append(f"{role}, {head}")
        lines += [f"  {share:6.1%}  {name}" for name, share in found]
    return "\n".join(lines)
