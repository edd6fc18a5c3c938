"""What the clients' tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reno.config.transport import GRPCIO, H2
from tests.clients.contract_doors import ContractDoors, open_doors
from tests.clients.go_tools import ROOT, built


@pytest.fixture(scope="session")
def go_example() -> Path:
    """The Go client's example, built."""
    built("build-go")
    return ROOT / "clients" / "go" / "bin" / "reno-example"


@pytest.fixture
def doors() -> ContractDoors:
    """In memory."""
    return ContractDoors()


@pytest.fixture(params=[GRPCIO, H2])
async def addresses(
    request: pytest.FixtureRequest, doors: ContractDoors
) -> AsyncIterator[tuple[str, str]]:
    """(ingestion, devices) of a running system, with each transport of the devices' door."""
    async with open_doors(doors, request.param) as listening:
        yield listening
