"""Runs of faults: python -m tests.faults --help"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.ground import Shape
from tests.faults.run import Plan, run
from tests.faults.strikes import STRIKES


def main() -> None:
    options = _options()
    options.results.mkdir(parents=True, exist_ok=True)
    has_failed = False
    for number in range(options.runs):
        seed = options.seed + number
        plan = Plan(
            seed,
            options.minutes * 60,
            options.rate,
            options.mix.split(","),
            options.faults.split(",") if options.faults else (),
            shape=Shape(mutant=options.mutant),
        )
        place = Path(tempfile.mkdtemp(prefix="reno-faults-")) / "run"
        result = asyncio.run(run(plan, place))
        (options.results / f"{seed:06}.json").write_text(result.as_json(), encoding="utf-8")
        print(
            f"seed {seed}: {result.verdict} in {result.seconds:.0f} s (ready at {result.started_s}, attacked until {result.attacked_s}, settled at {result.settled_s}) {result.counts} {result.broken}"
        )
        for line in (*result.why, *result.examples):
            print(f"    {line}")
        for fault in result.faults:
            print(f"    {fault.as_line()}")
        has_failed |= result.verdict != "PASS"
        if result.verdict == "PASS" and not options.keep:
            shutil.rmtree(place.parent)
        else:
            print(f"    all of it: {place}")
    sys.exit(has_failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0, help="of faults, in each run")
    parser.add_argument("--rate", type=float, default=500.0, help="events a second")
    parser.add_argument("--mix", default=",".join(STRIKES), help="strikes to choose from")
    parser.add_argument("--faults", default="", help="instead: STRIKE:TARGET,... in this order")
    parser.add_argument("--mutant", default="", help="a wrong product of tests/faults/mutants.py")
    parser.add_argument("--results", type=Path, default=Path("build/faults"))
    parser.add_argument("--keep", action="store_true", help="also what passed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
