"""The devices' door is the same on each transport."""

import pytest

from reno.config.transport import GRPCIO, H2
from tests.gateway.devices import surroundings


@pytest.fixture(params=[GRPCIO, H2])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the gateways of a test."""
    monkeypatch.setattr(surroundings, "TRANSPORT", request.param)
