"""Many examples of the properties of session, lease table, gates, merge and cursor: EXAMPLES says how many in all (`make properties`). As a pytest plugin it says what was tried."""

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[2]
FILES = (
    "tests/gateway/devices/test_session_model.py",
    "tests/presence/test_lease_table_model.py",
    "tests/reno/test_gates.py",
    "tests/gateway/devices/test_merging.py",
    "tests/gateway/devices/test_cursor.py",
)
SOON_EXHAUSTED = 2
"""Of their properties have fewer cases than that: those of targets."""

_PROPERTY = re.compile(r"^@given\(|\(RuleBasedStateMachine\):$", re.MULTILINE)
_PASSING = re.compile(r"(\d+) passing, ")
_began = time.monotonic()
_tried: Counter[str] = Counter()
_seconds: dict[str, float] = {}


def load_profile(parent: settings) -> None:
    """Each property's share of EXAMPLES, where it is set; else `parent`."""
    if total := int(os.environ.get("EXAMPLES", "0")):
        properties = sum(len(_PROPERTY.findall((ROOT / file).read_text())) for file in FILES)
        share = -(-total // (properties - SOON_EXHAUSTED))
        parent = settings(parent, max_examples=share, database=None)
    settings.register_profile("reno", parent)
    settings.load_profile("reno")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # hypothesis leaves its words in the report of a test's end.
    said = getattr(report, "_hypothesis_stats", "")
    _tried[report.nodeid] += sum(map(int, _PASSING.findall(said)))
    if report.when == "call":
        _seconds[report.nodeid] = report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, count in (+_tried).items():
        terminalreporter.line(f"{count:>10,} in {_seconds[test]:6.0f} s  {test}")
    tried, seconds = _tried.total(), time.monotonic() - _began
    terminalreporter.line(f"{tried:,} examples in {seconds:.0f} s, {tried / seconds:.0f} a second")


if __name__ == "__main__":
    print(*FILES)
