"""Negative controls: runs that must be called wrong, each beside the same run with what keeps it right.

python -m tests.faults.controls [NAME...]
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.mutants import QUIET
from tests.faults.run import Plan, run
from tests.faults.shapes import Shape

POWER = ("power-loss:processor-low", "power-loss:processor-high", "power-loss:processor-medium")
UNSYNCED = Shape(is_synced=False, environment={"RENO_LOG__REQUIRE_SYNCED": "false"})


@dataclass(frozen=True, slots=True)
class Half:
    """Of a control. `must_show`: how what is broken begins, one of them; empty: nothing may be."""

    what: str
    faults: tuple[str, ...]
    must_show: tuple[str, ...] = ()
    shape: Shape = field(default_factory=Shape)


CONTROLS = {
    "no-dedup": (
        Half("every repeat is dropped", tuple(QUIET.split(","))),
        Half(
            "no event is a duplicate",
            tuple(QUIET.split(",")),
            ("Once",),
            Shape(mutant="duplicates-pass"),
        ),
    ),
    "power-loss": (
        Half("power is lost under a log with `sync_interval: always`", POWER),
        Half(
            "power is lost under a log with the default `sync_interval`, and readiness was told not to look",
            POWER,
            ("Durable: lost", "Resumable: gap-without-cause"),
            UNSYNCED,
        ),
    ),
}


async def control(half: Half, seed: int, rate: float) -> dict[str, Any]:
    """One line of the page; `is_right`: what had to be found was, and nothing else was lost."""
    place = Path(tempfile.mkdtemp(prefix="reno-control-"))
    plan = Plan(seed, 0, rate, faults=half.faults, owed_within_s=60.0, shape=half.shape)
    result = await run(plan, place / "run")
    shutil.rmtree(place)
    found = [what for what in result.broken if what.startswith(half.must_show)]
    has_bitten = bool(result.faults) and all(fault.proof for fault in result.faults)
    return {
        "what": half.what,
        "is_right": has_bitten and (bool(found) if half.must_show else result.verdict == "PASS"),
        "must_be_wrong": bool(half.must_show),
        "acknowledged": result.counts.get("acknowledged", 0),
        "broken": result.broken,
        "why": result.why,
        "left_out": result.left_out,
        "faults": [asdict(fault) for fault in result.faults],
    }


def main() -> None:
    """Exit code 1 where one of them is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.controls")
    parser.add_argument("names", nargs="*", default=list(CONTROLS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--results", type=Path, default=Path("build/controls"))
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    has_failed = False
    for name in options.names:
        for number, half in enumerate(CONTROLS[name]):
            line = asyncio.run(control(half, options.seed, options.rate))
            (options.results / f"{name}-{number}.json").write_text(json.dumps(line, indent=1))
            has_failed |= not line["is_right"]
            said = "as it must be" if line["is_right"] else "NOT AS IT MUST BE"
            print(
                f"{name}: {half.what}: {said}: {line['acknowledged']} acknowledged, broken {line['broken']} {line['why']} {line['left_out']}",
                flush=True,
            )
    sys.exit(has_failed)


if __name__ == "__main__":
    main()
