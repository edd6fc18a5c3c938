"""A web page as a device: gRPC-Web through Envoy, from a real browser."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest, PublishResponse
from reno.v1.notification_pb2 import VIA_PULL, VIA_PUSH
from tests.e2e.browser.chromium import Page, browser_at, served_page
from tests.e2e.running import RunningReno, reno_in
from tests.e2e.traffic import as_backend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# A browser's first start on a busy machine.
WAIT_S = 60


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with served_page() as served:
        yield served


@pytest.fixture(scope="module")
def reno(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReno]:
    """Only the page at 127.0.0.1 may call; the same page at localhost is another one to a browser."""
    allowed = {"RENO_MESH__ALLOWED_ORIGINS": json.dumps([page.origin()])}
    with reno_in(tmp_path_factory.mktemp("web") / "data", allowed, ("--mesh",)) as running:
        yield running


def publish(reno: RunningReno, member: str) -> PublishResponse:
    event = Event(id="e-1", type="plan.changed", member_id=member, payload=b'{"plan":"premium"}')
    with grpc.insecure_channel(reno.ingestion) as channel:
        call = channel.unary_unary(
            "/reno.v1.IngestionService/Publish",
            request_serializer=PublishRequest.SerializeToString,
            response_deserializer=PublishResponse.FromString,
        )
        answer: PublishResponse = call(
            PublishRequest(event=event), metadata=as_backend(), timeout=WAIT_S
        )
        return answer


def until_told(page: Page, key: str) -> Any:
    """Of what the page tells, the first under the key; whatever failed in it fails here."""
    deadline = time.monotonic() + WAIT_S
    while True:
        told = page.told(deadline - time.monotonic())
        assert "failed" not in told or key == "failed", told
        if key in told:
            return told[key]


def test_a_page_subscribes_is_pushed_and_pulls(
    page: Page, reno: RunningReno, tmp_path: Path
) -> None:
    member = f"m-{uuid.uuid4()}"
    where = f"{page.origin()}/page.html"
    with browser_at(where, tmp_path / "profile", devices=f"http://{reno.devices}", member=member):
        frame = until_told(page, "frame")
        while not frame.get("flag"):  # caught_up
            frame = until_told(page, "frame")
        receipt = publish(reno, member)
        while not frame["notifications"]:
            frame = until_told(page, "frame")
        (pushed,) = frame["notifications"]
        assert pushed == {
            "eventId": "e-1",
            "action": "reload_entitlements",
            "payload": '{"plan":"premium"}',
            "position": str(receipt.position),
            "via": VIA_PUSH,
        }
        assert frame["cursor"]
        (pulled,) = until_told(page, "page")["notifications"]
        assert pulled == {**pushed, "via": VIA_PULL}
        assert until_told(page, "refused") == grpc.StatusCode.UNAUTHENTICATED.value[0]


def test_a_page_that_is_not_listed_gets_nothing(
    page: Page, reno: RunningReno, tmp_path: Path
) -> None:
    where = f"{page.origin('localhost')}/page.html"
    with browser_at(where, tmp_path / "profile", devices=f"http://{reno.devices}", member="anna"):
        assert "Failed to fetch" in until_told(page, "failed")
