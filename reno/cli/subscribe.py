"""`reno subscribe`: a device in the terminal."""

import asyncio
from typing import Annotated

import typer

from reno.cli.device_options import (
    AsJson,
    CursorPath,
    DeviceClass,
    DeviceId,
    DevicesAddress,
    From,
    Member,
    StartOption,
    start_at,
)
from reno.cli.fault import load_settings


def subscribe(
    member: Member,
    device: DeviceId,
    device_class: DeviceClass,
    start: StartOption = From.ACKNOWLEDGED,
    as_json: AsJson = False,
    devices: DevicesAddress = "",
    cursor_file: CursorPath = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many notifications.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one notification.")] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="End when the server says: current.")
    ] = False,
) -> None:
    """Print a device's notifications as they come; Ctrl-C ends it.

    The cursor is kept in a file after the lines were written, and the next start resumes from it:
    a notification may be printed twice, never lost.
    """
    from reno.cli.cursor_file import CursorFile, default_path  # noqa: PLC0415
    from reno.cli.doors import device_metadata  # noqa: PLC0415
    from reno.cli.terminal_device import TerminalDevice, Until  # noqa: PLC0415

    terminal = TerminalDevice(
        devices or load_settings().gateway.listen,
        device_metadata(member, device, device_class),
        CursorFile(cursor_file or default_path(member, device)),
        start_at(start),
        Until(1 if once else count, until_caught_up),
        as_json=as_json,
    )
    try:
        asyncio.run(terminal.run())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
