"""Every promise, on histories that chance makes. A failure names its seed; `python -m tests.simulation --seed N` plays it again and tells what happened."""

import os
import subprocess
import sys

import pytest

from tests.simulation.catching import caught
from tests.simulation.history import History
from tests.simulation.mutants import MUTANTS, Mutant

SEEDS = 300
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_every_promise_is_kept(part: int) -> None:
    """Durable, Once, Ordered, Fresh, Private, Resumable, Truthful, Bounded."""
    for seed in range(part, SEEDS, PARTS):
        try:
            History(seed).play()
        except BaseException as error:
            error.add_note(f"python -m tests.simulation --seed {seed}")
            raise


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_wrong_product_is_caught(mutant: Mutant) -> None:
    assert caught(mutant), "it breaks no promise"


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    """Also where strings hash otherwise."""
    assert len({trace("1"), trace("2")}) == 1


def trace(hash_seed: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "19"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rest" in told.stdout
    return told.stdout
