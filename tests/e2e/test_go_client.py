"""A client in another language, generated from the contract, against the real system."""

import json
import uuid
from pathlib import Path

import pytest

from tests.clients.go_tools import ROOT, built, run
from tests.e2e.running import RunningReno

# The first build fetches and compiles its modules.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def go_example() -> Path:
    built("build-go")
    return ROOT / "clients" / "go" / "bin" / "reno-example"


async def test_a_go_program_publishes_and_receives(
    go_example: Path, running_reno: RunningReno
) -> None:
    member, event_id = f"m-{uuid.uuid4()}", f"e-{uuid.uuid4()}"
    where = ("--ingestion", running_reno.ingestion, "--devices", running_reno.devices)
    who = ("--member", member, "--device", "tv-1", "--class", "tv", "--id", event_id)
    ended = await run(go_example, "roundtrip", *where, *who, "--timeout", "30s")
    assert ended.code == 0, ended.stderr
    (arrived,) = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (arrived["eventId"], arrived["action"]) == (event_id, "reload_profiles")
