"""How `pytest -n 2` shares tests out: those that share something expensive run in one worker, all others file by file."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class Spread(LoadScopeScheduling):  # type: ignore[misc]
    """In the order in which tests are collected, a group at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        # The one system of the session, by its two ways in.
        if "[direct" in nodeid or "[mesh" in nodeid:
            return "reno"
        # Two cold builds side by side would compile the same packages twice.
        if file.startswith(("tests/clients/", "tests/deploy/")):
            return "go"
        # By file or by parameter: both say whose node it is.
        return "cassandra" if "cassandra" in nodeid else file


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Spread(config, log)
