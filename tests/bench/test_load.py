"""The load generator: what it sends is the contract's, and what it reads is counted."""

import os
import subprocess

import pytest

from tests.clients.go_tools import ROOT, built

# The first build fetches and compiles its modules.
pytestmark = pytest.mark.timeout(600)


def test_it_builds_and_its_own_tests_pass() -> None:
    built("build-load")
    assert os.access(ROOT / "build" / "reno-load", os.X_OK)
    run = subprocess.run(
        ["go", "test", "./..."],
        cwd=ROOT / "bench" / "load",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
