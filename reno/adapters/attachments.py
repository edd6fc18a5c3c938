"""Keeps a gateway attached to every presence replica: the adapter of reno.ports.PresenceAnnouncer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from reno.adapters.attachment import Attachment, Held, OnKnown
from reno.adapters.resolving import resolve
from reno.ports import GatewayAddress, SessionPlace

_log = structlog.get_logger("reno.attachments")

STOP_S = 1.0


class Attachments:
    """A stream for each address that the given ones resolve to. To be used from one event loop, the one that called start."""

    def __init__(
        self,
        addresses: Sequence[str],
        resolve_s: float = 5.0,
        resolved: Callable[[str], Awaitable[Sequence[str]]] = resolve,
    ) -> None:
        """Names are resolved again every resolve_s; `resolved` raises OSError."""
        self._addresses = tuple(addresses)
        self._resolve_s = resolve_s
        self._resolved = resolved
        self._running: dict[str, tuple[Attachment, asyncio.Task[None]]] = {}
        self._following: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[None] | None = None

    def start(self, gateway: GatewayAddress, held: Held, on_known: OnKnown) -> None:
        """`held` must list a session from its began on and no longer from its ended on."""
        self._ended = asyncio.get_running_loop().create_future()
        self._following = asyncio.create_task(self._follow(gateway, held, on_known))
        self._following.add_done_callback(self._note_end)

    def began(self, place: SessionPlace) -> int:
        """Told to each attached replica with its next request."""
        return sum([attachment.began(place) for attachment, _ in self._running.values()])

    def ended(self, number: int) -> None:
        """As began."""
        for attachment, _ in self._running.values():
            attachment.ended(number)

    async def wait(self) -> None:
        """Raises what an attachment failed with: WrongState (FENCED) when a newer epoch of the gateway is attached, so that this one must not serve. Returns after stop."""
        if self._ended is not None:
            await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Says goodbye to every replica that is attached; one that does not listen within a second is left to the lease."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._let_go(list(self._running))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def _follow(self, gateway: GatewayAddress, held: Held, on_known: OnKnown) -> None:
        is_late = False
        while True:
            places = await self._places()
            for address in places - self._running.keys():
                attachment = Attachment(address, gateway, held, on_known, is_late=is_late)
                task = asyncio.create_task(attachment.run(), name=f"attach {address}")
                task.add_done_callback(self._note_end)
                self._running[address] = attachment, task
            await self._let_go([address for address in self._running if address not in places])
            is_late = True
            await asyncio.sleep(self._resolve_s)

    async def _places(self) -> set[str]:
        """A name that cannot be resolved now leaves everything as it is."""
        places: set[str] = set()
        is_sure = True
        for address in self._addresses:
            try:
                places.update(await self._resolved(address))
            except OSError as error:
                is_sure = False
                _log.warning("presence not found", address=address, why=str(error))
        return places if is_sure else places | self._running.keys()

    async def _let_go(self, addresses: Sequence[str]) -> None:
        leaving = [self._running.pop(address) for address in addresses]
        for attachment, _ in leaving:
            attachment.stop()
        tasks = {task for _, task in leaving}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            task.cancel()
        if late:
            _log.warning("no goodbye", replicas=[task.get_name() for task in late])
            await asyncio.wait(late)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)
        else:
            _log.error("attachment had failed", task=task.get_name(), error=repr(error))
