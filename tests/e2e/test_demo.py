"""The main job: `reno demo` plays, checks every arrival against its script, and says so in its exit status."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_the_demo_sees_what_its_script_expects() -> None:
    demo = [sys.executable, "-m", "reno.cli.main", "demo", "--json", "--seed", "7"]
    done = subprocess.run(demo, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["faults"] == {}
    assert report["dropped"] == {
        "DUPLICATE": 3,
        "MERGE_KEY_REQUIRED": 1,
        "STALE": 2,
        "UNKNOWN_TYPE": 1,
    }
    assert all(scene["expected"] == scene["seen"] > 0 for scene in report["scenes"])
    high, medium, low = report["priorities"]
    assert high["pushed"]
    assert medium["caught_up"] + medium["pushed"] + medium["merged"] > 0
    assert low["merged"] > 0
