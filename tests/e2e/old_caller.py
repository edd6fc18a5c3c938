"""A backend and a device made of nothing but the contract's generated code, whichever comes first on the path: run by itself, with the doors' addresses."""

import json
import sys
from pathlib import Path

import grpc

from reno.v1 import event_pb2, ingestion_service_pb2, notification_service_pb2
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub

TIMEOUT_S = 60
EVENTS = 3
BACKEND = (("reno-source", "old"),)
ACCEPTED = ingestion_service_pb2.PublishResult.STATUS_ACCEPTED


def publish(address: str, member: str) -> list[int]:
    """Positions, by each of the three ways."""

    def event(number: int) -> event_pb2.Event:
        return event_pb2.Event(
            id=f"e-{number}", type="profile.changed", member_id=member, payload=b"{}"
        )

    with grpc.insecure_channel(address) as channel:
        door = IngestionServiceStub(channel)
        one = door.Publish(
            ingestion_service_pb2.PublishRequest(event=event(0)),
            metadata=BACKEND,
            timeout=TIMEOUT_S,
        )
        (batched,) = door.PublishBatch(
            ingestion_service_pb2.PublishBatchRequest(events=[event(1)]),
            metadata=BACKEND,
            timeout=TIMEOUT_S,
        ).results
        request = ingestion_service_pb2.PublishStreamRequest(batch_id=7, events=[event(2)])
        (answer,) = door.PublishStream(iter([request]), metadata=BACKEND, timeout=TIMEOUT_S)
        (streamed,) = answer.results
    assert answer.batch_id == 7
    assert batched.status == streamed.status == ACCEPTED
    return [one.position, batched.position, streamed.position]


def receive(ingestion: str, devices: str, member: str) -> dict[str, list[int]]:
    """Positions as they were published, pushed and pulled."""
    device = (("reno-member", member), ("reno-device", "tv-1"), ("reno-class", "tv"))
    published: list[int] = []
    pushed: list[int] = []
    with grpc.insecure_channel(devices) as channel:
        door = NotificationServiceStub(channel)
        frames = door.Subscribe(
            notification_service_pb2.SubscribeRequest(), metadata=device, timeout=TIMEOUT_S
        )
        cursor = ""
        for frame in frames:
            pushed += [one.position for one in frame.notifications]
            cursor = frame.cursor or cursor
            if frame.caught_up and not published:
                published = publish(ingestion, member)
            if len(pushed) >= EVENTS:
                break
        frames.cancel()
        page = door.Pull(
            notification_service_pb2.PullRequest(start_at=notification_service_pb2.START_AT_START),
            metadata=device,
            timeout=TIMEOUT_S,
        )
        door.Acknowledge(
            notification_service_pb2.AcknowledgeRequest(cursor=cursor),
            metadata=device,
            timeout=TIMEOUT_S,
        )
        after = door.Pull(
            notification_service_pb2.PullRequest(cursor=cursor), metadata=device, timeout=TIMEOUT_S
        )
    return {
        "published": published,
        "pushed": pushed,
        "pulled": [one.position for one in page.notifications],
        "pulled_after": [one.position for one in after.notifications],
    }


if __name__ == "__main__":
    print(Path(event_pb2.__file__).parent)
    print(json.dumps(receive(*sys.argv[1:])))
