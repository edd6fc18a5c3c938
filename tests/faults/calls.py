"""How the clients of a run call: who they are, how they connect, and what they take for a failure that passes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

FAILURES_THAT_PASS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    # A stream that had begun, whose door went away behind a proxy.
    grpc.StatusCode.INTERNAL,
}

Metadata = tuple[tuple[str, str], ...]


def as_backend(source: str = "test") -> Metadata:
    """A backend's metadata."""
    return (("reno-source", source),)


def as_device(member: str, device_id: str, device_class: str = "tv") -> Metadata:
    """A device's metadata."""
    return (("reno-member", member), ("reno-device", device_id), ("reno-class", device_class))


@asynccontextmanager
async def connected(address: str, *more: tuple[str, int]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that comes back quickly after its server was killed, and notices one that is silent."""
    options = [
        ("grpc.initial_reconnect_backoff_ms", 100),
        # Also the time that a try to connect is given.
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.use_local_subchannel_pool", 1),
        *more,
    ]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel
