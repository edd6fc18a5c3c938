"""How the command line calls RENO's doors: channels, identity in metadata, and errors as one clear line."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from reno.adapters.channels import open_channel
from reno.cli.fault import REFUSED, UNREACHABLE, Fault
from reno.wire.clock import to_ms

Metadata = tuple[tuple[str, str], ...]

CONNECT_TIMEOUT_S = 3.0
CALL_TIMEOUT_S = 15.0

_STATUS_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a failed call said: `reason` is the contract's word, empty where the server never answered."""

    code: grpc.StatusCode
    reason: str
    message: str
    retry_after_s: float | None = None

    @property
    def is_unreachable(self) -> bool:
        """No server of ours answered."""
        return not self.reason and self.code in {
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }

    def as_fault(self, address: str) -> Fault:
        """The one line for a person, with the exit code."""
        if self.is_unreachable:
            return unreachable(address)
        if self.code is grpc.StatusCode.UNIMPLEMENTED:
            return Fault(f"{address} is not the right door: {self.message}", REFUSED)
        is_later = self.code is grpc.StatusCode.UNAVAILABLE
        return Fault(self.message, UNREACHABLE if is_later else REFUSED)


def backend_metadata(source: str) -> Metadata:
    """Who publishes or asks. Raises Fault for what metadata cannot carry."""
    return _checked((("reno-source", source),))


def device_metadata(member: str, device: str, device_class: str) -> Metadata:
    """Which device calls. Raises Fault for what metadata cannot carry."""
    return _checked(
        (("reno-member", member), ("reno-device", device), ("reno-class", device_class))
    )


def _checked(metadata: Metadata) -> Metadata:
    for key, value in metadata:
        if not 1 <= len(value) <= 128 or not all("!" <= letter <= "~" for letter in value):
            name = key.removeprefix("reno-")
            raise Fault(f"--{name} {value!r}: 1-128 visible ASCII characters without spaces", 2)
    return metadata


async def connect(address: str) -> grpc.aio.Channel:
    """A channel with a connection. Raises Fault (exit 69) when there is none within CONNECT_TIMEOUT_S."""
    channel = open_channel(address)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await channel.channel_ready()
    except TimeoutError as error:
        await channel.close()
        raise unreachable(address) from error
    return channel


def unreachable(address: str) -> Fault:
    """Nobody answers there."""
    return Fault(f"nothing answers at {address}; is it running? (`reno up`, `reno doctor`)", 69)


def trouble_of(error: grpc.aio.AioRpcError) -> Trouble:
    """Reads the details that RENO's servers attach."""
    reason, retry_after_s = "", None
    for detail in _details(error.trailing_metadata() or ()):
        info, retry = ErrorInfo(), RetryInfo()
        if detail.Unpack(info) and info.domain == "reno":
            reason = info.reason
        if detail.Unpack(retry):
            retry_after_s = to_ms(retry.retry_delay) / 1000
    code: grpc.StatusCode = error.code()
    message = error.details() or code.name
    return Trouble(code, reason, message, retry_after_s)


def _details(metadata: Iterable[tuple[str, str | bytes]]) -> Iterable[Any]:
    for key, value in metadata:
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            yield from Status.FromString(value).details
