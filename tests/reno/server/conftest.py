"""A port is the same on each transport."""

import pytest

from reno.config.transport import GRPCIO, H2
from tests.reno.server import door


@pytest.fixture(params=[GRPCIO, H2])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the doors that a test opens."""
    monkeypatch.setattr(door, "TRANSPORT", request.param)
    return str(request.param)
