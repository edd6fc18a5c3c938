"""`reno pull`: what a device has not seen, page by page."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

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
from reno.cli.fault import UNREACHABLE, Fault, load_settings

if TYPE_CHECKING:
    from reno.cli.doors import Metadata
    from reno.v1.notification_service_pb2 import PullRequest, PullResponse

Take = Callable[["PullResponse"], None]

_MISSING_WAIT_S = 0.5
_MAX_MISSING_PAGES = 20
"""Empty pages in a row for lanes that do not answer; then the command gives up."""


def pull(
    member: Member,
    device: DeviceId,
    device_class: DeviceClass,
    start: StartOption = From.ACKNOWLEDGED,
    as_json: AsJson = False,
    devices: DevicesAddress = "",
    cursor_file: CursorPath = None,
    page_size: Annotated[int, typer.Option(min=0, help="0: as many as the server allows.")] = 0,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the cursor for the next time.")
    ] = True,
) -> None:
    """Print what a device has not seen yet, and end.

    The cursor file is the same as `reno subscribe` uses.
    """
    from reno.cli.cursor_file import CursorFile, default_path  # noqa: PLC0415
    from reno.cli.doors import device_metadata  # noqa: PLC0415
    from reno.v1.notification_service_pb2 import PullRequest  # noqa: PLC0415

    address = devices or load_settings().gateway.listen
    metadata = device_metadata(member, device, device_class)
    cursors = CursorFile(cursor_file or default_path(member, device))
    request = PullRequest(cursor=cursors.read(), page_size=page_size, start_at=start_at(start))

    def take(page: "PullResponse") -> None:
        _print(page, as_json)
        if save:
            cursors.write(page.cursor)

    try:
        asyncio.run(_pages(address, metadata, request, take))
    except Fault as fault:
        if "CURSOR_" in fault.text:
            raise Fault(f"{fault.text}\nremove {cursors.path} to begin without a cursor") from fault
        raise


async def _pages(address: str, metadata: "Metadata", request: "PullRequest", take: "Take") -> None:
    import grpc  # noqa: PLC0415

    from reno.cli.doors import CALL_TIMEOUT_S, connect, trouble_of  # noqa: PLC0415
    from reno.cli.notification_lines import words_of  # noqa: PLC0415
    from reno.v1.notification_service_pb2_grpc import NotificationServiceStub  # noqa: PLC0415

    async with await connect(address) as channel:
        stub = NotificationServiceStub(channel)
        empty_pages = 0
        more = True
        while more:
            try:
                page = await stub.Pull(request, metadata=metadata, timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                raise trouble_of(error).as_fault(address) from error
            take(page)
            request.cursor, more = page.cursor, page.more
            if page.missing and not page.notifications:
                empty_pages += 1
                if empty_pages == _MAX_MISSING_PAGES:
                    lanes = ", ".join(words_of(page.missing))
                    raise Fault(f"no inbox answers for {lanes}; pull again later", UNREACHABLE)
                await asyncio.sleep(_MISSING_WAIT_S)
            else:
                empty_pages = 0


def _print(page: "PullResponse", as_json: bool) -> None:
    from reno.cli import notification_lines as lines  # noqa: PLC0415

    if page.HasField("gap"):
        gap = page.gap
        said = json.dumps(lines.gap_json(gap)) if as_json else f"-- {lines.gap_text(gap)}"
        print(said, file=sys.stderr)
    for notification in page.notifications:
        print(
            json.dumps(lines.as_json(notification, time.time_ns() // 1_000_000))
            if as_json
            else lines.as_text(notification)
        )
    sys.stdout.flush()
