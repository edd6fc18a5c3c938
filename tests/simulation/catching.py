"""Which history catches a wrong product. python -m tests.simulation.catching [--results DIRECTORY]: all of them, for the page."""

import argparse
import json
import sys
from pathlib import Path

from tests.simulation.history import History
from tests.simulation.mutants import MUTANTS, Mutant

MOST_SEEDS = 300


def caught(mutant: Mutant) -> tuple[int, str] | None:
    """The first seed of its MOST_SEEDS that breaks a promise, and what it says."""
    with mutant.alive():
        for seed in range(mutant.from_seed, mutant.from_seed + MOST_SEEDS):
            try:
                History(seed).play()
            except AssertionError as error:
                return seed, str(error).partition("\n")[0]
    return None


def main() -> int:
    """Exit code 1 where one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.catching")
    parser.add_argument("--results", type=Path, default=Path("build/simulated-mutants"))
    place = parser.parse_args().results
    place.mkdir(parents=True, exist_ok=True)
    is_missed = False
    for number, mutant in enumerate(MUTANTS):
        found = caught(mutant)
        is_missed |= found is None
        seed, why = found or (None, "")
        line = {"what": mutant.name, "seed": seed, "from_seed": mutant.from_seed, "why": why}
        (place / f"{number:02}.json").write_text(json.dumps(line, indent=1))
        print(f"{mutant.name}: {f'seed {seed}: {why}' if found else 'NOT CAUGHT'}", flush=True)
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
