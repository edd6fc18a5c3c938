"""`reno presence`: which devices of a member are online."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reno.cli.fault import load_settings

if TYPE_CHECKING:
    from reno.v1.presence_service_pb2 import GetPresenceResponse, MemberPresence


def presence(
    members: Annotated[list[str], typer.Argument(metavar="MEMBER...", help="Whose devices.")],
    source: Annotated[str, typer.Option(help="Who asks.")] = "cli",
    address: Annotated[str, typer.Option("--presence", help="Address of the door.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a member.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Then say each change, until Ctrl-C.")
    ] = False,
) -> None:
    """Say for each member whether it is online, and where."""
    from reno.cli.doors import backend_metadata  # noqa: PLC0415

    metadata = backend_metadata(source)
    address = address or load_settings().presence.listen

    def say(member: "MemberPresence") -> None:
        line = _line(member)
        typer.echo(json.dumps(line) if as_json else _text(line))

    if watch:
        from reno.cli.presence_watch import PresenceWatch  # noqa: PLC0415

        try:
            asyncio.run(PresenceWatch(address, metadata, members, say).run())
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
    for member in asyncio.run(_ask(address, metadata, members)).members:
        say(member)


async def _ask(
    address: str, metadata: tuple[tuple[str, str], ...], members: list[str]
) -> "GetPresenceResponse":
    import grpc  # noqa: PLC0415

    from reno.cli.doors import CALL_TIMEOUT_S, connect, trouble_of  # noqa: PLC0415
    from reno.v1.presence_service_pb2 import GetPresenceRequest  # noqa: PLC0415
    from reno.v1.presence_service_pb2_grpc import PresenceServiceStub  # noqa: PLC0415

    async with await connect(address) as channel:
        try:
            return await PresenceServiceStub(channel).GetPresence(
                GetPresenceRequest(member_ids=members), metadata=metadata, timeout=CALL_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            raise trouble_of(error).as_fault(address) from error


def _line(member: "MemberPresence") -> dict[str, Any]:
    from reno.v1.presence_service_pb2 import PresenceState  # noqa: PLC0415

    state = PresenceState.Name(member.state).removeprefix("PRESENCE_STATE_").lower()
    devices = [
        {"device_id": at.device_id, "device_class": at.device_class, "gateway_id": at.gateway_id}
        for at in member.devices
    ]
    return {"member_id": member.member_id, "state": state, "devices": devices}


def _text(line: dict[str, Any]) -> str:
    places = [
        f"{at['device_id']} ({at['device_class']}) at {at['gateway_id']}" for at in line["devices"]
    ]
    return f"{line['member_id']} {line['state']}  {', '.join(places)}".rstrip()
