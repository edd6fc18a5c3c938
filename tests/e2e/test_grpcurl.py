"""The running system as a stranger meets it: grpcurl and nothing but reflection."""

import json
import subprocess
import uuid
from typing import Any

import pytest

from tests.clients.go_tools import need_go
from tests.e2e.running import RunningReno

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

GRPCURL = "scripts/grpcurl"
PUBLISH = "reno.v1.IngestionService/Publish"
PULL = "reno.v1.NotificationService/Pull"
SUBSCRIBE = "reno.v1.NotificationService/Subscribe"
WATCH = "reno.v1.PresenceService/Watch"


@pytest.fixture(scope="session")
def grpcurl() -> str:
    """The script builds it with Go on its first call."""
    need_go()
    subprocess.run([GRPCURL, "-version"], check=True, timeout=550, capture_output=True)
    return GRPCURL


def call(
    grpcurl: str,
    address: str,
    *words: str,
    headers: dict[str, str] | None = None,
    seconds: int = 20,
) -> str:
    """What it printed; a stream ends with its time."""
    flags = [part for key, value in (headers or {}).items() for part in ("-H", f"{key}: {value}")]
    command = [
        grpcurl,
        "-plaintext",
        "-max-time",
        str(seconds),
        *flags,
        *words[:-1],
        address,
        words[-1],
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or "DeadlineExceeded" in done.stderr, done.stderr
    return done.stdout


def test_each_public_port_lists_its_services(grpcurl: str, running_reno: RunningReno) -> None:
    listed = {
        "reno.v1.IngestionService": running_reno.ingestion,
        "reno.v1.NotificationService": running_reno.devices,
        "reno.v1.PresenceService": running_reno.presence,
    }
    for service, address in listed.items():
        services = call(grpcurl, address, "list").split()
        assert service in services
        assert not {name for name in services if name.startswith("reno.")} - {service}


def test_publish_pull_and_subscribe(grpcurl: str, running_reno: RunningReno) -> None:
    member = f"m-{uuid.uuid4()}"
    event = {"event": {"id": "e-1", "type": "plan.changed", "memberId": member, "payload": "e30="}}
    device = {"reno-member": member, "reno-device": "tv-1", "reno-class": "tv"}
    receipt = json.loads(
        call(
            grpcurl,
            running_reno.ingestion,
            "-d",
            json.dumps(event),
            PUBLISH,
            headers={"reno-source": "billing"},
        )
    )
    assert receipt["priority"] == "PRIORITY_HIGH"
    stream = call(grpcurl, running_reno.devices, "-d", "{}", SUBSCRIBE, headers=device, seconds=3)
    frames = list(read_all(stream))
    assert frames[0]["session"]["id"]
    (pushed,) = [one for frame in frames for one in frame.get("notifications", [])]
    assert (pushed["event_id"], pushed["position"]) == ("e-1", receipt["position"])
    page = json.loads(
        call(
            grpcurl,
            running_reno.devices,
            "-d",
            '{"startAt":"START_AT_START"}',
            PULL,
            headers=device,
        )
    )
    assert [one["event_id"] for one in page["notifications"]] == ["e-1"]
    assert page["notifications"][0]["action"] == "reload_entitlements"


def test_watch(grpcurl: str, running_reno: RunningReno) -> None:
    members = json.dumps({"memberIds": [f"m-{uuid.uuid4()}"]})
    asks = {"reno-source": "operator"}
    stream = call(grpcurl, running_reno.presence, "-d", members, WATCH, headers=asks, seconds=2)
    first = next(iter(read_all(stream)))
    assert first["alive_interval"] == "15s"
    assert first["members"][0]["state"] in {"PRESENCE_STATE_OFFLINE", "PRESENCE_STATE_UNKNOWN"}


def read_all(text: str) -> list[dict[str, Any]]:
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found
