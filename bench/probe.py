"""High-priority events at a steady rate to devices that are online, and what their delays are: until the door's answer, and until the device has it."""

import os
import time
from pathlib import Path
from typing import Any

from bench.generator import Generator, generating
from bench.system import System

DEVICES = 50
CALLERS = 16
LEAST = 19
"""Nice."""


def probed(
    system: System,
    fleet: Generator,
    seconds: float,
    rate: float,
    first: int = 0,
    door: str = "ingestion",
) -> dict[str, Any]:
    """One event a call. The members from `first` on, DEVICES of them, are those of `fleet`; others' events must not reach it."""
    fleet.ask(f"since {time.time():.6f}", "since")
    with generating(
        "publish",
        address=system.address(door),
        rate=rate,
        seconds=seconds,
        members=DEVICES,
        first=first,
        batch=1,
        streams=CALLERS,
        shares="100,0,0",
        source="probe",
    ) as probe:
        said = probe.until("published")
    found = fleet.ask("count", "counted")
    ends_s = time.monotonic() + 30.0
    while found["notifications"] < said["accepted"] and time.monotonic() < ends_s:
        time.sleep(0.05)
        found = fleet.ask("count", "counted")
    return {
        "sent": said["sent"],
        "refused": said["refused"],
        "not_sent": said["not_sent"],
        "seen": found["notifications"],
        "accepted_ms": said["answer"],
        "delivered_ms": found["delays"].get("high", {}),
    }


def yield_cpu(pid: int) -> None:
    """The process runs when the others do not want to; by its threads, and where Linux weighs sessions by its session."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), LEAST)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(LEAST))
