"""`reno serve`: one role in one process."""

from enum import StrEnum
from typing import Annotated

import typer

from reno.cli.fault import USAGE, Fault, load_settings


class RoleName(StrEnum):
    """What a process can be."""

    INGESTION = "ingestion"
    GATEWAY = "gateway"
    PROCESSOR = "processor"
    PRESENCE = "presence"


class Lane(StrEnum):
    """Whose processor it is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def serve(
    role: Annotated[RoleName, typer.Argument(help="What this process is.")],
    priority: Annotated[
        Lane | None, typer.Option(help="The processor's lane; default: from the settings.")
    ] = None,
) -> None:
    """Run one role in this process until SIGTERM; what a cluster runs."""
    if priority is not None and role is not RoleName.PROCESSOR:
        raise Fault("--priority is for the processor", USAGE)
    settings = load_settings()

    from reno.adapters.rocks_directory import InboxLocked, InboxMismatch  # noqa: PLC0415
    from reno.cli import serving  # noqa: PLC0415
    from reno.cli.catalogue import load_catalogue  # noqa: PLC0415
    from reno.domain.priority import Priority  # noqa: PLC0415
    from reno.server.grpc_server import PortTaken  # noqa: PLC0415

    lane = None
    if role is RoleName.PROCESSOR:
        lane = Priority[(priority or settings.processor.priority).upper()]
    if role is RoleName.INGESTION:
        load_catalogue(settings.catalogue)
    try:
        serving.serve(settings, role.value, lane)
    except (PortTaken, InboxLocked, InboxMismatch) as error:
        raise Fault(str(error)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise Fault(f"{error.filename}: {error.strerror}") from error
