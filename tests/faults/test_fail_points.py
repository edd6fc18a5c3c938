"""Fail points: each place is still in the product, and a process that is told to dies there and nowhere else. That a run passes them all, test_short_run says."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.fail_points import INBOXES, POINTS, PointFile

PLACE = """
import sys
from pathlib import Path
from tests.faults.fail_points import place_points
for arguments in sys.argv[2:]:
    place_points(Path(sys.argv[1]), *arguments.split())
"""
LOCATE = f"""{PLACE}
from presence.lease_table import LeaseTable
table = LeaseTable(lease_ms=1, max_sessions=1, now_ms=0)
for _ in range(5):
    table.lookup([], 0)
"""


def test_each_place_is_there(tmp_path: Path) -> None:
    roles = sorted({point.role for point in POINTS.values()})
    everything = [f"{role} {engine}" for role in roles for engine in INBOXES]
    done = run_python(PLACE, tmp_path / "points", *everything)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_dies_at_its_passing_and_says_so(tmp_path: Path) -> None:
    points = PointFile(tmp_path / "points")
    points.arm("located", 3)
    done = run_python(LOCATE, tmp_path / "points", "presence embedded")
    assert done.returncode == -signal.SIGKILL
    assert points.died_at("located")
    assert points.passed("located") == 3
    again = run_python(LOCATE, tmp_path / "points", "presence embedded")
    assert (again.returncode, points.passed("located")) == (0, 8)


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
