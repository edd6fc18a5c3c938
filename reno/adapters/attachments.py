"""Keeps a gateway attached to every presence replica: the adapter of reno.ports.PresenceAnnouncer."""

import asyncio
from collections.abc import Sequence

import structlog

from reno.adapters.attachment import Attachment, Held, OnKnown
from reno.ports import GatewayAddress, SessionPlace

_log = structlog.get_logger("reno.attachments")

STOP_S = 1.0


class Attachments:
    """A stream for each address. To be used from one event loop, the one that called start."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(addresses)
        self._attachments: list[Attachment] = []
        self._running: list[asyncio.Task[None]] = []

    def start(self, gateway: GatewayAddress, held: Held, on_known: OnKnown) -> None:
        """`held` must list a session from its began on and no longer from its ended on."""
        for address in self._addresses:
            attachment = Attachment(address, gateway, held, on_known)
            self._attachments.append(attachment)
            self._running.append(asyncio.create_task(attachment.run(), name=f"attach {address}"))

    def began(self, place: SessionPlace) -> None:
        """Told to each replica with its next request."""
        for attachment in self._attachments:
            attachment.began(place)

    def ended(self, number: int) -> None:
        """As began."""
        for attachment in self._attachments:
            attachment.ended(number)

    async def wait(self) -> None:
        """Raises what an attachment failed with: WrongState (FENCED) when a newer epoch of the gateway is attached, so that this one must not serve. Returns after stop."""
        if self._running:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_EXCEPTION)
        for task in self._running:
            if task.done() and not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Says goodbye to every replica that is attached; one that does not listen within a second is left to the lease."""
        for attachment in self._attachments:
            attachment.stop()
        if not self._running:
            return
        done, late = await asyncio.wait(self._running, timeout=STOP_S)
        for task in late:
            task.cancel()
        if late:
            _log.warning("no goodbye", replicas=[task.get_name() for task in late])
            await asyncio.wait(late)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                _log.error("attachment had failed", task=task.get_name(), error=repr(error))
