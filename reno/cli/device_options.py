"""The options that subscribe and pull share."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reno.v1.notification_service_pb2 import StartAt


class From(StrEnum):
    """Where to begin without a cursor."""

    START = "start"
    LATEST = "latest"
    ACKNOWLEDGED = "acknowledged"


Member = Annotated[str, typer.Option("--member", help="Whose device it is.")]
DeviceId = Annotated[str, typer.Option("--device", help="The device's id.")]
DeviceClass = Annotated[str, typer.Option("--class", help="The device's class, for example tv.")]
StartOption = Annotated[
    From, typer.Option("--from", help="Where to begin when there is no cursor yet.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
DevicesAddress = Annotated[str, typer.Option("--devices", help="Address of the door.")]
CursorPath = Annotated[
    Path | None,
    typer.Option("--cursor-file", help="Default: ~/.local/state/reno/cursors/MEMBER/DEVICE."),
]


def start_at(chosen: From) -> "StartAt.ValueType":
    """The contract's word."""
    from reno.v1 import notification_service_pb2 as service  # noqa: PLC0415

    return {
        From.START: service.START_AT_START,
        From.LATEST: service.START_AT_LATEST,
        From.ACKNOWLEDGED: service.START_AT_ACKNOWLEDGED,
    }[chosen]
