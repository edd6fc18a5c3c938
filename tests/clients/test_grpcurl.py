"""A door can be read with grpcurl alone: reflection tells it everything."""

import json
from pathlib import Path

import pytest

from tests.clients.go_tools import run

pytestmark = pytest.mark.timeout(600)


async def test_the_backends_door_describes_itself(
    grpcurl: Path, addresses: tuple[str, str]
) -> None:
    listed = await run(grpcurl, "-plaintext", addresses[0], "list")
    assert listed.code == 0, listed.stderr
    assert "reno.v1.IngestionService" in listed.stdout.splitlines()
    described = await run(grpcurl, "-plaintext", addresses[0], "describe", "reno.v1.Event")
    assert described.code == 0, described.stderr
    assert "string member_id = 3" in described.stdout


async def test_an_event_is_published_by_hand(grpcurl: Path, addresses: tuple[str, str]) -> None:
    event = {"id": "e-hand", "type": "profile.changed", "member_id": "anna"}
    ended = await run(
        grpcurl,
        *("-plaintext", "-H", "reno-source: me", "-d", json.dumps({"event": event})),
        *(addresses[0], "reno.v1.IngestionService/Publish"),
    )
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout) == {"priority": "PRIORITY_MEDIUM", "position": "4096"}
