"""Publishing against a door that answers as the test says."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from reno.cli.main import app
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.server.status import status_of
from reno.v1.event_pb2 import PRIORITY_HIGH
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishBatchResponse, PublishResult
from reno.v1.ingestion_service_pb2_grpc import (
    IngestionServiceServicer,
    add_IngestionServiceServicer_to_server,
)

Answer = Callable[[PublishBatchRequest, Any], PublishBatchResponse]


def accept(request: PublishBatchRequest, _context: Any) -> PublishBatchResponse:
    result = PublishResult(
        status=PublishResult.STATUS_ACCEPTED, priority=PRIORITY_HIGH, position=40960
    )
    return PublishBatchResponse(results=[result] * len(request.events))


class Door(IngestionServiceServicer):
    def __init__(self) -> None:
        self.answer: Answer = accept
        self.requests: list[PublishBatchRequest] = []
        self.address = ""

    def PublishBatch(self, request: PublishBatchRequest, context: Any) -> PublishBatchResponse:
        self.requests.append(request)
        return self.answer(request, context)

    def Publish(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def PublishStream(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_IngestionServiceServicer_to_server(door, server)
        door.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield door
        server.stop(None).wait()


def publish(door: Door, *arguments: str, stdin: str | None = None) -> Result:
    options = ["publish", *arguments, "--ingestion", door.address]
    return CliRunner().invoke(app, options, input=stdin)


ONE = ("plan.changed", "--member", "anna", "--id", "e-1")


def test_accepted(door: Door) -> None:
    more = (
        "--class",
        "tv",
        "--device",
        "tv-1",
        "--ttl",
        "10m",
        "--payload",
        "[1]",
        "--origin",
        "p",
    )
    result = publish(door, *ONE, *more, "--occurred-at", "2026-11-23T01:02:03+00:00")
    assert (result.exit_code, result.stdout) == (0, "accepted e-1 high position 40960\n")
    event = door.requests[0].events[0]
    assert (event.ttl.seconds, event.payload, event.origin_device_id) == (600, b"[1]", "p")
    assert list(event.targets.device_classes) == ["tv"]
    assert list(event.targets.device_ids) == ["tv-1"]
    assert event.occurred_at.ToJsonString() == "2026-11-23T01:02:03Z"


def test_without_targets_there_are_none(door: Door) -> None:
    publish(door, *ONE)
    assert not door.requests[0].events[0].HasField("targets")


def test_uncertain_says_how_to_repeat(door: Door) -> None:
    def uncertain(request: PublishBatchRequest, _context: Any) -> PublishBatchResponse:
        return PublishBatchResponse(
            results=[PublishResult(status=PublishResult.STATUS_UNCERTAIN) for _ in request.events]
        )

    door.answer = uncertain
    result = publish(door, *ONE)
    assert result.exit_code == 75
    assert "repeat with --id e-1" in result.stdout


def test_a_call_that_breaks_off_is_uncertain(door: Door) -> None:
    def break_off(_request: PublishBatchRequest, context: Any) -> PublishBatchResponse:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        raise AssertionError

    door.answer = break_off
    result = publish(door, *ONE, "--json")
    assert result.exit_code == 75
    assert json.loads(result.stdout)["status"] == "uncertain"


def test_a_door_that_is_not_ready_stored_nothing(door: Door) -> None:
    def not_ready(_request: PublishBatchRequest, context: Any) -> PublishBatchResponse:
        context.abort_with_status(status_of(Unavailable(Reason.NOT_READY, "no log")))
        raise AssertionError

    door.answer = not_ready
    result = publish(door, *ONE)
    assert result.exit_code == 69
    assert "nothing of this batch was stored" in result.stderr


def test_lines_keep_their_order_and_a_broken_one_stops_nobody(door: Door) -> None:
    lines = [json.dumps({"id": f"e-{n}", "type": "t", "memberId": "a"}) for n in range(1200)]
    lines.insert(7, "nonsense")
    result = publish(door, "-", stdin="\n".join(lines))
    assert result.exit_code == 1
    assert "refused line 8: MALFORMED" in result.stdout
    assert all(len(request.events) <= 500 for request in door.requests)
    ids = [event.id for request in door.requests for event in request.events]
    assert ids == [f"e-{n}" for n in range(1200)]
