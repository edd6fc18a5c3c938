"""`reno publish`: events from the command line, a file or standard input."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from reno.cli.fault import UNCERTAIN, UNREACHABLE, USAGE, Fault, load_settings

if TYPE_CHECKING:
    from reno.v1.event_pb2 import Event
    from reno.v1.ingestion_service_pb2 import PublishResult

Publish = Callable[[list["Event"]], Sequence["PublishResult"]]

_READ_BYTES = 1 << 20


def publish(
    event_type: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="Event type, or - for lines on stdin.")
    ] = None,
    member: Annotated[str, typer.Option(help="Whose devices are told.")] = "",
    payload: Annotated[str | None, typer.Option(help="JSON, handed to the devices.")] = None,
    event_id: Annotated[str, typer.Option("--id", help="Made up where there is none.")] = "",
    merge_key: Annotated[str, typer.Option(help="What a newer event replaces.")] = "",
    device: Annotated[list[str] | None, typer.Option(help="Only these devices.")] = None,
    device_class: Annotated[
        list[str] | None, typer.Option("--class", help="Only devices of these classes.")
    ] = None,
    origin: Annotated[str, typer.Option(help="The device that caused it; it is left out.")] = "",
    ttl: Annotated[str, typer.Option(help="Shortens the type's ttl: 30s, 10m, 1h, 7d.")] = "",
    occurred_at: Annotated[str, typer.Option(help="ISO 8601; default: on arrival.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="A JSON object an event, one a line; - for stdin.")
    ] = None,
    source: Annotated[str, typer.Option(help="Which backend publishes.")] = "cli",
    ingestion: Annotated[str, typer.Option(help="Address of the door.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a result.")] = False,
) -> None:
    """Publish events and print what became of each.

    Exit codes: 0 all accepted, 1 something refused, 75 something uncertain (repeat with the same
    id), 69 the door cannot be reached or takes nothing now.

    A line of a file has the names of reno.v1.Event. "payload" is any JSON value and travels as JSON
    text; "payload_base64" is bytes as they are.
    """
    from reno.cli.event_lines import worst  # noqa: PLC0415

    path = Path("-") if event_type == "-" else file
    if path is not None:
        if member or payload or event_id or (event_type and event_type != "-"):
            raise Fault("either one event by options, or lines from a file", USAGE)
        statuses = _publish_lines(path, source, ingestion, as_json)
    else:
        if not event_type or not member:
            raise Fault("an event needs TYPE and --member (or --file FILE, or -)", USAGE)
        event = _event(event_type, member, payload, event_id, merge_key, origin, ttl, occurred_at)
        event.targets.device_ids.extend(device or ())
        event.targets.device_classes.extend(device_class or ())
        if not (device or device_class):
            event.ClearField("targets")
        with _Door(source, ingestion) as door:
            statuses = _say([event], door.publish([event]), f"repeat with --id {event.id}", as_json)
    raise typer.Exit(worst(statuses))


def _event(
    event_type: str,
    member: str,
    payload: str | None,
    event_id: str,
    merge_key: str,
    origin: str,
    ttl: str,
    occurred_at: str,
) -> "Event":
    from reno.cli.event_lines import json_bytes, new_id  # noqa: PLC0415
    from reno.v1.event_pb2 import Event  # noqa: PLC0415

    event = Event(
        id=event_id or new_id(),
        type=event_type,
        member_id=member,
        merge_key=merge_key,
        origin_device_id=origin,
    )
    if payload is not None:
        try:
            event.payload = json_bytes(json.loads(payload))
        except ValueError as error:
            raise Fault(f"--payload is not JSON: {error}", USAGE) from error
        event.content_type = "application/json"
    if ttl:
        event.ttl.FromMilliseconds(_duration_ms(ttl))
    if occurred_at:
        try:
            event.occurred_at.FromDatetime(datetime.fromisoformat(occurred_at).astimezone())
        except ValueError as error:
            raise Fault(f"--occurred-at is not ISO 8601: {error}", USAGE) from error
    return event


def _duration_ms(text: str) -> int:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from reno.catalogue.entry import Milliseconds  # noqa: PLC0415

    try:
        return TypeAdapter[int](Milliseconds).validate_python(text)
    except ValidationError as error:
        raise Fault(f"--ttl {text}: {error.errors()[0]['msg']}", USAGE) from error


def _publish_lines(path: Path, source: str, ingestion: str, as_json: bool) -> list[int]:
    """The statuses of all lines. What has been read is sent before more is waited for."""
    from reno.cli.event_lines import NotAnEvent, batches, event_of  # noqa: PLC0415
    from reno.v1.ingestion_service_pb2 import PublishResult  # noqa: PLC0415

    statuses: list[int] = []
    with _opened(path) as stream, _Door(source, ingestion) as door:
        for lines in _line_groups(stream):
            events = []
            for number, line in lines:
                try:
                    events.append(event_of(line))
                except NotAnEvent as error:
                    statuses.append(PublishResult.STATUS_REFUSED)
                    _say_broken_line(number, error, as_json)
            for batch in batches(events):
                repeat = "repeat the line with this id"
                statuses += _say(batch, door.publish(batch), repeat, as_json)
    return statuses


def _opened(path: Path) -> BinaryIO:
    try:
        return sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}", USAGE) from error


def _line_groups(stream: BinaryIO) -> Iterator[list[tuple[int, str]]]:
    """What is there without waiting, as numbered lines that are not blank."""
    rest, number = b"", 0
    read = getattr(stream, "read1", stream.read)
    while data := read(_READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        numbered = [(number + at, line) for at, line in enumerate(lines, 1)]
        number += len(lines)
        yield [(at, line.decode("utf-8", "replace")) for at, line in numbered if line.strip()]
    if rest.strip():
        yield [(number + 1, rest.decode("utf-8", "replace"))]


def _say_broken_line(number: int, error: Exception, as_json: bool) -> None:
    said: dict[str, Any] = {"status": "refused", "line": number, "reason": "MALFORMED"}
    text = f"refused line {number}: MALFORMED {error}"
    typer.echo(json.dumps(said | {"message": str(error)}) if as_json else text)


def _say(
    events: Sequence["Event"], results: Sequence["PublishResult"], repeat: str, as_json: bool
) -> list[int]:
    from reno.cli.event_lines import result_json, result_text  # noqa: PLC0415

    for event, result in zip(events, results, strict=True):
        text = result_text(event, result, repeat)
        typer.echo(json.dumps(result_json(event, result)) if as_json else text)
    return [int(result.status) for result in results]


class _Door:
    """A connection to ingestion with a loop of its own, so that waiting for standard input can be interrupted."""

    def __init__(self, source: str, address: str) -> None:
        from reno.cli.doors import backend_metadata, connect  # noqa: PLC0415

        self._metadata = backend_metadata(source)
        self._address = address or load_settings().ingestion.listen
        self._runner = asyncio.Runner()
        try:
            self._channel = self._runner.run(connect(self._address))
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> "_Door":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._channel.close())
        self._runner.close()

    def publish(self, events: "list[Event]") -> "Sequence[PublishResult]":
        """A result for each event: UNCERTAIN where the call broke off. Raises Fault where nothing was stored."""
        return self._runner.run(self._publish(events))

    async def _publish(self, events: "list[Event]") -> "Sequence[PublishResult]":
        import grpc  # noqa: PLC0415

        from reno.cli.doors import CALL_TIMEOUT_S, trouble_of  # noqa: PLC0415
        from reno.v1.ingestion_service_pb2 import PublishBatchRequest  # noqa: PLC0415
        from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub  # noqa: PLC0415

        try:
            answer = await IngestionServiceStub(self._channel).PublishBatch(
                PublishBatchRequest(events=events),
                metadata=self._metadata,
                timeout=CALL_TIMEOUT_S,
            )
        except grpc.aio.AioRpcError as error:
            trouble = trouble_of(error)
            if trouble.is_unreachable:
                return [_uncertain(f"the call broke off ({trouble.message})") for _ in events]
            fault = trouble.as_fault(self._address)
            if fault.exit_code == UNREACHABLE:
                raise Fault(f"{fault.text}; nothing of this batch was stored", 69) from error
            raise fault from error
        if len(answer.results) != len(events):
            raise Fault("the door did not answer every event: treat all as uncertain", UNCERTAIN)
        return list(answer.results)


def _uncertain(message: str) -> "PublishResult":
    from reno.v1.ingestion_service_pb2 import PublishResult, Refusal  # noqa: PLC0415
    from reno.v1.reason_pb2 import REASON_UNCERTAIN  # noqa: PLC0415

    return PublishResult(
        status=PublishResult.STATUS_UNCERTAIN,
        refusal=Refusal(reason=REASON_UNCERTAIN, message=message),
    )
