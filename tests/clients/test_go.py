"""The Go client: generated from the same contract, it builds, publishes, subscribes and acknowledges."""

import json
from pathlib import Path

import pytest

from reno.domain.reason import Reason
from reno.errors import CallerFault, Unavailable
from tests.clients.contract_doors import ContractDoors
from tests.clients.go_tools import Ended, run

# The first build fetches and compiles its modules.
pytestmark = pytest.mark.timeout(600)

ANNAS_TV = ("--member", "anna", "--device", "tv-1", "--class", "tv", "--timeout", "30s")


async def roundtrip(example: Path, addresses: tuple[str, str], event_id: str) -> Ended:
    """Publishes and waits for the event to arrive at a device of the system at the addresses."""
    ingestion, devices = addresses
    where = ("--ingestion", ingestion, "--devices", devices)
    return await run(example, "roundtrip", *where, *ANNAS_TV, "--id", event_id)


@pytest.mark.parametrize("asked", [["--help"], ["roundtrip", "--help"]])
async def test_it_says_how_it_is_used(go_example: Path, asked: list[str]) -> None:
    ended = await run(go_example, *asked)
    assert ended.code == 0
    assert "usage: reno-example publish|subscribe|roundtrip" in ended.stdout + ended.stderr
    assert "-ingestion" in ended.stdout + ended.stderr


@pytest.mark.parametrize("asked", [[], ["dance"], ["publish", "--colour", "blue"]])
async def test_what_it_does_not_know_is_refused(go_example: Path, asked: list[str]) -> None:
    ended = await run(go_example, *asked)
    assert (ended.code, ended.stdout) == (2, "")
    assert "usage: reno-example" in ended.stderr


async def test_its_own_event_arrives(go_example: Path, addresses: tuple[str, str]) -> None:
    ended = await roundtrip(go_example, addresses, "e-go")
    assert ended.code == 0, ended.stderr
    arrived = [json.loads(line) for line in ended.stdout.splitlines()]
    (own,) = [notification for notification in arrived if notification["eventId"] == "e-go"]
    assert own["type"] == "profile.changed"
    assert own["action"] == "reload_profiles"
    assert own["priority"] == "PRIORITY_MEDIUM"
    assert own["source"] == "reno-example"


async def test_it_acknowledges_what_it_has_printed(
    go_example: Path, addresses: tuple[str, str], doors: ContractDoors
) -> None:
    assert (await roundtrip(go_example, addresses, "e-go")).code == 0
    assert doors.acknowledged == ["anna.tv-1.4096"]


async def test_a_receipt_is_printed(go_example: Path, addresses: tuple[str, str]) -> None:
    ended = await run(go_example, "publish", "--ingestion", addresses[0], "--id", "e-go")
    assert (ended.code, ended.stdout) == (0, "accepted e-go PRIORITY_MEDIUM position 4096\n")


async def test_a_refusal_is_said(
    go_example: Path, addresses: tuple[str, str], doors: ContractDoors
) -> None:
    doors.refusal = CallerFault(Reason.UNKNOWN_TYPE, "the catalogue has no such type")
    ended = await run(go_example, "publish", "--ingestion", addresses[0])
    assert ended.code == 1
    assert "UNKNOWN_TYPE" in ended.stderr


@pytest.mark.parametrize("verb", ["publish", "roundtrip"])
async def test_uncertain_says_to_repeat_with_the_same_id(
    go_example: Path, addresses: tuple[str, str], doors: ContractDoors, verb: str
) -> None:
    doors.refusal = Unavailable(Reason.UNCERTAIN, "the log did not confirm in time")
    where = ("--ingestion", addresses[0], "--devices", addresses[1], "--id", "e-go")
    ended = await run(go_example, verb, *where)
    assert (ended.code, ended.stderr) == (75, "uncertain: repeat with -id e-go\n")
