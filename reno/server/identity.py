"""Who calls: read from the call's metadata in one place. Trusted as given for now, which every start announces as INSECURE."""

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from reno.domain.identity import Backend, Device
from reno.domain.reason import Reason
from reno.errors import Unauthenticated

_NAME = re.compile(r"[!-~]{1,128}")

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Call:
    """What a door's service may know of the call: who, until when (seconds left at arrival, None: no deadline), and its W3C trace context."""

    caller: Backend | Device | None
    seconds_left: float | None
    traceparent: str


Identify = Callable[[dict[str, str]], Backend | Device | None]

_current: ContextVar[Call] = ContextVar("reno_call")


def enter_call(call: Call) -> None:
    """For the interceptor: the task of one call belongs to it alone."""
    _current.set(call)


def current_call() -> Call:
    """Of the running handler. Raises LookupError outside one."""
    return _current.get()


def current_backend() -> Backend:
    """The caller of a backends' door."""
    caller = _current.get().caller
    assert isinstance(caller, Backend)
    return caller


def current_device() -> Device:
    """The caller of the devices' door."""
    caller = _current.get().caller
    assert isinstance(caller, Device)
    return caller


def texts(metadata: Metadata | None) -> dict[str, str]:
    """The metadata's text values; of a repeated key the last."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def backend_of(metadata: dict[str, str]) -> Backend:
    """Raises Unauthenticated."""
    return Backend(_tenant(metadata), _required(metadata, "reno-source"))


def device_of(metadata: dict[str, str]) -> Device:
    """Raises Unauthenticated."""
    return Device(
        _tenant(metadata),
        _required(metadata, "reno-member"),
        _required(metadata, "reno-device"),
        _required(metadata, "reno-class"),
    )


def nobody(_metadata: dict[str, str]) -> None:
    """For internal ports: the network is their gate until there is TLS."""
    return


def _tenant(metadata: dict[str, str]) -> str:
    if metadata.get("reno-tenant"):
        raise Unauthenticated(
            Reason.TENANT_UNKNOWN, "there are no tenants yet: leave reno-tenant out"
        )
    return ""


def _required(metadata: dict[str, str], key: str) -> str:
    value = metadata.get(key, "")
    if not _NAME.fullmatch(value):
        raise Unauthenticated(
            Reason.UNAUTHENTICATED, f"metadata {key} is needed: 1-128 visible ASCII characters"
        )
    return value
