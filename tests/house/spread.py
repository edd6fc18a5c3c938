"""A pytest plugin for `-n 2 --dist loadgroup`: tests that share something expensive run in one worker, all others file by file."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    file = item.nodeid.partition("::")[0]
    if "running_reno" in getattr(item, "fixturenames", ()):
        return "reno"
    # Two cold builds side by side would compile the same packages twice.
    if file.startswith(("tests/clients/", "tests/deploy/")):
        return "go"
    # By file or by parameter: both say whose node it is.
    return "cassandra" if "cassandra" in item.nodeid else file
