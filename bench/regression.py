"""CPU of an event, as a multiple of a reference loop in the same run, beside what it was: for CI. It prints and does not fail, for a busy machine moves even this.

    .venv/bin/python -m bench.regression [--write]

A fixed workload through a real `reno up`. The reference parses, hashes and keeps events in plain Python, before and after it: a slower machine slows both.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import xxhash

from bench import generator
from bench.generator import generating
from bench.system import CATALOGUE, running
from bench.watching import Watching, us_each
from reno.v1.event_pb2 import Event

KEPT = Path(__file__).with_suffix(".json")
EVENTS = 60_000
RATE = 20_000
TURNS = 150_000


def reference_us() -> float:
    """CPU of one turn of the loop."""
    raw = Event(id="x" * 19, type="bench.high", member_id="m0000001", payload=b"x" * 117)
    ready = raw.SerializeToString()
    kept: dict[bytes, str] = {}
    started_s = time.process_time()
    for number in range(TURNS):
        event = Event.FromString(ready)
        identity = xxhash.xxh3_128_digest(
            f"{event.member_id}\0{event.id}\0{number % 1000}".encode()
        )
        kept[identity] = event.type
    return (time.process_time() - started_s) * 1e6 / TURNS


def measured() -> dict[str, float]:
    """Of each role: CPU of an event in turns of the reference loop."""
    before_us = reference_us()
    with (
        running(CATALOGUE) as system,
        generating(
            "publish",
            address=system.address("ingestion"),
            rate=RATE,
            seconds=EVENTS / RATE,
            repeats=0.1,
            stale=0.05,
        ) as load,
    ):
        load.until("measuring")
        with Watching(system, {"load": load}) as watching:
            said = load.until("published")
            system.until_processed()
            cpu_us = us_each(watching.cpu_s(), said["sent"])
    reference = min(before_us, reference_us())
    print(f"reference loop: {reference:.2f} µs a turn; all roles: {cpu_us['all']} µs an event")
    return {role: round(used / reference, 2) for role, used in cpu_us.items()}


def compared(now: dict[str, float], kept: dict[str, float]) -> str:
    """A line a role."""
    lines = [f"{'':18}{'now':>8}{'kept':>8}   turns of the reference loop an event"]
    for role, turns in now.items():
        was = kept.get(role)
        change = f"{turns / was - 1:+.0%}" if was else ""
        before = f"{was:.2f}" if was else "-"
        lines.append(f"{role:18}{turns:8.2f}{before:>8}   {change}")
    return "\n".join(lines)


def main() -> None:
    """Prints; whatever happens, the exit code is 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep what was found")
    chosen = parser.parse_args()
    started_s = time.monotonic()
    try:
        generator.build()
        now = measured()
    except (OSError, RuntimeError, TimeoutError, subprocess.CalledProcessError) as error:
        print(f"not measured: {type(error).__name__}: {error}", file=sys.stderr)
        return
    print(compared(now, json.loads(KEPT.read_text()) if KEPT.exists() else {}))
    print(f"{time.monotonic() - started_s:.0f} s")
    if chosen.write:
        KEPT.write_text(json.dumps(now, indent=1) + "\n")


if __name__ == "__main__":
    main()
