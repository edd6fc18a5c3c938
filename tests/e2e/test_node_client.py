"""A client of another make, grpc-js: every call of both doors, by each way in and on each transport."""

import json
import shutil
import uuid
from pathlib import Path

import pytest

from reno.config.transport import H2
from tests.clients.go_tools import ROOT, run
from tests.e2e.running import RunningReno, reno_in

# Its modules are fetched first.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

INVALID_ARGUMENT, CANCELLED, DEADLINE_EXCEEDED = 3, 1, 4


@pytest.fixture(autouse=True)
def need_node() -> None:
    if shutil.which("npm") is None:
        pytest.skip("Node.js is missing: apt-get install nodejs npm")


async def test_a_node_program_calls_everything(running_reno: RunningReno) -> None:
    await check(running_reno)


async def test_it_does_so_without_envoy_on_the_thin_transport(tmp_path: Path) -> None:
    doors = ("RENO_GATEWAY__TRANSPORT", "RENO_INGESTION__TRANSPORT")
    with reno_in(tmp_path / "data", dict.fromkeys(doors, H2)) as reno:
        await check(reno)


async def check(reno: RunningReno) -> None:
    where = (str(ROOT / "protos"), reno.ingestion, reno.devices)
    ended = await run(ROOT / "scripts" / "node-client", *where, f"m-{uuid.uuid4()}")
    assert ended.code == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said == {
        "batch": ["STATUS_ACCEPTED"] * 2,
        "one": said["one"],
        "invalid": {"code": INVALID_ARGUMENT, "details": 1},
        "stream": {
            "answers": [["1", 1, ["STATUS_ACCEPTED"]], ["2", 500, ["STATUS_ACCEPTED"]]],
            "code": 0,
        },
        "pushed": ["e-1", "e-2", "e-3", "e-4"],
        "cancelled": CANCELLED,
        "pulled": [3, 1],
        "acknowledged": {},
        "deadline": DEADLINE_EXCEEDED,
    }
    assert said["one"].startswith("PRIORITY_")
