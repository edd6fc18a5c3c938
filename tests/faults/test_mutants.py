"""Wrong products stay wrong: each finds in the product what it undoes. Whether they are caught, `make mutants` says."""

import subprocess
import sys

APPLY = "from tests.faults.mutants import MUTANTS\nfor one in MUTANTS.values(): one.apply()"


def test_each_finds_what_it_undoes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", APPLY], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
