"""Presence: replicas around the real lease table, and what keeps a gateway attached to each, around the real account of what a replica was not told yet."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import TypeVar

from presence.lease_table import Attachment, LeaseTable, PresenceState
from reno.adapters.untold_sessions import UntoldSessions
from reno.errors import TryLater, Unavailable
from reno.ports import GatewayAddress, Located, SessionPlace
from tests.simulation.kernel import Kernel, Process
from tests.simulation.network import Network, unavailable

T = TypeVar("T")

LEASE_MS = 2_000
SESSIONS_PER_REQUEST = 2
BACKOFF_S = 0.2


class Replica:
    """Forgets everything when it is restarted."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.name = name
        self.is_up = True
        self._kernel = kernel
        self._heard_ms: dict[GatewayAddress, int] = {}
        """When each gateway's lease was renewed last."""
        self.table = self._fresh()

    def _fresh(self) -> LeaseTable:
        self._started_ms = self._kernel.now_ms
        self._heard_ms = {}
        return LeaseTable(lease_ms=LEASE_MS, max_sessions=1000, now_ms=self._started_ms)

    def stop(self) -> None:
        self.is_up = False

    def start(self) -> None:
        self.is_up = True
        self.table = self._fresh()

    def hello(self, gateway: GatewayAddress) -> Attachment:
        self._must_be_up()
        attachment = self.table.hello(gateway, self._kernel.now_ms)
        self._heard_ms[gateway] = self._kernel.now_ms
        return attachment

    def change(
        self,
        attachment: Attachment,
        began: Collection[SessionPlace],
        ended: Collection[int],
        *,
        snapshot_complete: bool,
        goodbye: bool,
    ) -> None:
        self._must_be_up()
        now_ms = self._kernel.now_ms
        self.table.change(
            attachment,
            now_ms,
            began=began,
            ended=ended,
            snapshot_complete=snapshot_complete,
            goodbye=goodbye,
        )
        self._heard_ms[attachment.gateway] = now_ms

    def look_up(self, member_keys: list[bytes]) -> Located:
        self._must_be_up()
        now_ms = self._kernel.now_ms
        located = Located()
        found = self.table.lookup(member_keys, now_ms)
        for key, (state, sessions) in zip(member_keys, found, strict=True):
            if state is PresenceState.OFFLINE:
                assert now_ms - self._started_ms >= LEASE_MS, "Truthful: unknown said as offline"
            for session in sessions:
                gateway = session.gateway
                assert now_ms - self._heard_ms[gateway] < LEASE_MS, (
                    f"Truthful: {key!r} online at {gateway.gateway_id} after its lease"
                )
                located.by_gateway.setdefault(gateway, _InOrder()).add(key)
        return located

    def _must_be_up(self) -> None:
        if not self.is_up:
            raise unavailable()


class _InOrder(set[bytes]):
    """Iterates the same way in every process, so that a seed replays."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(sorted(super().__iter__()))


class Announcer:
    """Implements reno.ports.PresenceAnnouncer."""

    def __init__(self, replicas: list[Replica], network: Network, process: Process) -> None:
        self._links = [_Link(replica, network, process) for replica in replicas]
        self._process = process
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
    ) -> None:
        for link in self._links:
            self._tasks.append(self._process.spawn(link.run(gateway, held, on_known)))

    def began(self, place: SessionPlace) -> int:
        return sum([link.began(place) for link in self._links])

    def ended(self, number: int) -> None:
        for link in self._links:
            link.ended(number)

    def cut(self, index: int) -> None:
        """The stream to a replica breaks."""
        self._links[index % len(self._links)].cut()

    async def wait(self) -> None:
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        for link in self._links:
            link.is_stopping = True
            link.changed.set()
        await asyncio.wait(self._tasks, timeout=1.0)
        for task in self._tasks:
            task.cancel()


class _Link:
    """As reno.adapters.attachment, with one request under way at a time."""

    def __init__(self, replica: Replica, network: Network, process: Process) -> None:
        self.is_stopping = False
        self.changed = asyncio.Event()
        self._replica = replica
        self._network = network
        self._process = process
        self._untold: UntoldSessions | None = None
        self._attached: asyncio.Task[None] | None = None

    def began(self, place: SessionPlace) -> bool:
        if self._untold is None:
            return False
        self._untold.began(place)
        self.changed.set()
        return True

    def ended(self, number: int) -> None:
        if self._untold is not None:
            self._untold.ended(number)
            self.changed.set()

    def cut(self) -> None:
        if self._attached is not None:
            self._attached.cancel()

    async def run(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
    ) -> None:
        again = False
        while not self.is_stopping:
            self._attached = asyncio.create_task(self._attach(gateway, held, on_known, again))
            try:
                await asyncio.wait([self._attached])
            finally:
                self._attached.cancel()
            self._untold = None
            again = True
            if not self._attached.cancelled():
                error = self._attached.exception()
                if error is not None and not isinstance(
                    error, Unavailable | TryLater | TimeoutError
                ):
                    raise error
            if not self.is_stopping:
                await asyncio.sleep(BACKOFF_S)

    async def _attach(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
        again: bool,
    ) -> None:
        replica = self._replica
        attachment = await self._ask("hello", lambda: replica.hello(gateway))
        untold = self._untold = UntoldSessions(held(), again=again)
        sequence = 0
        while not self.is_stopping:
            self.changed.clear()
            sequence += 1
            told = untold.take(sequence, SESSIONS_PER_REQUEST)
            if told is None:
                try:
                    async with asyncio.timeout(LEASE_MS / 4000):
                        await self.changed.wait()
                except TimeoutError:
                    pass
                told = untold.take(sequence, SESSIONS_PER_REQUEST)
            began = told.began if told else ()
            ended = told.ended if told else ()
            completes = told is not None and told.snapshot_complete
            await self._ask(
                f"tell {[p.number for p in began]} {list(ended)}",
                partial(
                    replica.change,
                    attachment,
                    began,
                    ended,
                    snapshot_complete=completes,
                    goodbye=False,
                ),
            )
            confirmed = untold.confirm(sequence)
            if confirmed.fresh:
                on_known(confirmed.fresh, False)
            if confirmed.again:
                on_known(confirmed.again, True)
        await self._ask(
            "goodbye",
            lambda: replica.change(attachment, (), (), snapshot_complete=False, goodbye=True),
        )

    async def _ask(self, what: str, effect: Callable[[], T]) -> T:
        async with asyncio.timeout(LEASE_MS / 1000):
            return await self._network.call(
                f"{what} at {self._replica.name}", self._process, effect
            )
