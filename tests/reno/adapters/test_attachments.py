"""Attachments against real replicas: what a gateway holds is what every replica knows, through every break."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from presence.role import PresenceRole
from reno.adapters.attachment import Attachment
from reno.adapters.attachments import Attachments
from reno.domain.reason import Reason
from reno.errors import WrongState
from reno.ports import GatewayAddress, SessionPlace
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_OFFLINE,
    PRESENCE_STATE_ONLINE,
    PRESENCE_STATE_UNKNOWN,
    PresenceState,
)
from tests.presence.attaching import lease_stub, look
from tests.servers.presence import presence_process, presence_role, presence_settings, until

LONG_LEASE = presence_settings(lease_s=60)


def place(number: int, member: str = "anna") -> SessionPlace:
    return SessionPlace(number, "", member, f"tv-{number}", "tv")


class Gateway:
    """Holds sessions and is attached, as the devices' door is."""

    def __init__(self, addresses: Sequence[str], *, epoch: int = 1, name: str = "g1") -> None:
        self.attachments = Attachments(addresses)
        self.address = GatewayAddress(name, epoch, f"{name}:7411")
        self.held: dict[int, SessionPlace] = {}
        self.known: list[tuple[int, bool]] = []

    def start(self) -> None:
        self.attachments.start(self.address, self.held.values, self._on_known)

    def begin(self, *places: SessionPlace) -> None:
        for each in places:
            self.held[each.number] = each
            self.attachments.began(each)

    def end(self, number: int) -> None:
        del self.held[number]
        self.attachments.ended(number)

    async def die(self) -> None:
        """Without a goodbye."""
        attachments = self.attachments
        assert attachments._following is not None
        running = [attachments._following, *(task for _, task in attachments._running.values())]
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    def _on_known(self, numbers: Collection[int], again: bool) -> None:
        self.known += [(number, again) for number in numbers]


def attachment_of(held: Gateway) -> Attachment:
    return next(iter(held.attachments._running.values()))[0]


@asynccontextmanager
async def gateway(*addresses: str, epoch: int = 1, name: str = "g1") -> AsyncIterator[Gateway]:
    """Started; stopped at the end."""
    made = Gateway(addresses, epoch=epoch, name=name)
    made.start()
    try:
        yield made
    finally:
        await made.attachments.stop()


async def state(address: str, member: str = "anna") -> PresenceState.ValueType:
    async with lease_stub(address) as stub:
        return (await look(stub, [member])).members[0][0]


async def numbers(address: str, member: str = "anna") -> list[int]:
    async with lease_stub(address) as stub:
        return [session.number for session in (await look(stub, [member])).members[0][1]]


async def becomes(address: str, *expected: int, member: str = "anna") -> None:
    async def as_expected() -> bool:
        return await numbers(address, member) == list(expected)

    await until(as_expected)


def internal(role: PresenceRole) -> str:
    return role.addresses["presence_internal"]


async def test_what_begins_is_known_and_found_and_what_ends_is_not() -> None:
    async with presence_role(LONG_LEASE) as role, gateway(internal(role)) as held:
        held.begin(place(1), place(2))
        await until(lambda: held.known == [(1, False), (2, False)])
        assert await numbers(internal(role)) == [1, 2]
        held.end(1)
        held.begin(place(3))
        await until(lambda: (3, False) in held.known)
        assert await numbers(internal(role)) == [2, 3]


async def test_what_was_held_before_is_told_in_requests_of_bounded_size() -> None:
    async with presence_role(LONG_LEASE) as role:
        held = Gateway([internal(role)])
        for number in range(2_500):
            held.held[number] = place(number, f"member-{number}")
        held.start()
        held.begin(place(9_999))
        await until(lambda: len(held.known) == 2_501)
        assert await numbers(internal(role), "member-2499") == [2499]
        assert await numbers(internal(role)) == [9999]
        await held.attachments.stop()


async def test_truthful_a_goodbye_takes_all_sessions_along_at_once() -> None:
    async with presence_role(LONG_LEASE) as role:
        async with gateway(internal(role)) as held:
            held.begin(place(1))
            await until(lambda: held.known == [(1, False)])
        assert await numbers(internal(role)) == []


async def test_truthful_a_gateway_that_dies_is_offline_after_its_lease() -> None:
    async with presence_role() as role, gateway(internal(role)) as held:
        held.begin(place(1), place(2, "ben"))
        await until(lambda: len(held.known) == 2)
        await held.die()
        assert await state(internal(role)) == PRESENCE_STATE_ONLINE

        async def offline() -> bool:
            return await state(internal(role)) == PRESENCE_STATE_OFFLINE

        await until(offline)
        assert await state(internal(role), "ben") == PRESENCE_STATE_OFFLINE


async def test_an_idle_attachment_keeps_its_lease() -> None:
    async with presence_role() as role, gateway(internal(role)) as held:
        held.begin(place(1))
        await until(lambda: held.known == [(1, False)])
        # Another member turns from UNKNOWN to OFFLINE when the replica has been up for a lease.

        async def a_lease_later() -> bool:
            return await state(internal(role), "carl") == PRESENCE_STATE_OFFLINE

        await until(a_lease_later)
        assert await numbers(internal(role)) == [1]


async def test_a_replica_that_was_killed_is_told_again() -> None:
    async with presence_process(lease_s=60) as replica, gateway(replica.internal) as held:
        held.begin(place(1), place(2))
        await until(lambda: len(held.known) == 2)
        await replica.kill()
        held.end(2)
        held.known.clear()
        async with presence_process(replica.internal, lease_s=60) as restarted:
            await until(lambda: held.known == [(1, True)])
            assert await numbers(restarted.internal) == [1]
            assert await state(restarted.internal, "carl") == PRESENCE_STATE_UNKNOWN
            held.begin(place(3))
            await until(lambda: (3, False) in held.known)


async def test_a_replica_that_froze_is_left_and_told_again_when_it_thaws() -> None:
    async with presence_process() as replica, gateway(replica.internal) as held:
        held.begin(place(1))
        await until(lambda: held.known == [(1, False)])
        replica.freeze()
        try:
            await until(lambda: attachment_of(held)._untold is None)
        finally:
            replica.thaw()
        await until(lambda: (1, True) in held.known)
        await becomes(replica.internal, 1)


async def test_every_replica_is_told_and_one_that_is_away_holds_up_no_other() -> None:
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(presence_role(LONG_LEASE))
        away = await stack.enter_async_context(presence_process(lease_s=60))
        held = await stack.enter_async_context(gateway(internal(here), away.internal))
        held.begin(place(1))
        await until(lambda: held.known == [(1, False)] * 2)
        await away.kill()
        held.begin(place(2))
        await until(lambda: held.known.count((2, False)) == 1)
        assert await numbers(internal(here)) == [1, 2]
        back = await stack.enter_async_context(presence_process(away.internal, lease_s=60))
        await becomes(back.internal, 1, 2)
        await until(lambda: {(1, True), (2, True)} <= set(held.known))


async def test_every_replica_behind_a_name_is_told_as_they_come_and_go() -> None:
    behind: list[str] = []

    async def resolved(address: str) -> list[str]:
        assert address == "presence:7412"
        if not behind:
            raise OSError("no such name")
        return list(behind)

    async with presence_role(LONG_LEASE) as one, presence_role(LONG_LEASE) as two:
        held = Gateway(["presence:7412"])
        held.attachments = Attachments(["presence:7412"], 0.02, resolved)
        held.start()
        held.begin(place(1))
        behind.append(internal(one))
        await becomes(internal(one), 1)
        behind.append(internal(two))
        await becomes(internal(two), 1)
        # The second one may have been asked before it could know: the session reads again.
        await until(lambda: set(held.known) == {(1, False), (1, True)})
        behind.remove(internal(one))
        await becomes(internal(one))
        held.begin(place(2))
        await becomes(internal(two), 1, 2)
        behind.clear()
        held.begin(place(3))
        await becomes(internal(two), 1, 2, 3)
        await held.attachments.stop()


async def test_a_draining_replica_is_attached_to_again_when_its_successor_listens() -> None:
    async with presence_role(LONG_LEASE) as role:
        address = internal(role)
        async with gateway(address) as held:
            held.begin(place(1))
            await until(lambda: held.known == [(1, False)])
            await role.drain()
            async with presence_role(presence_settings(address, lease_s=60)):
                await until(lambda: (1, True) in held.known)


async def test_an_older_epoch_is_fenced_and_says_so() -> None:
    async with presence_role(LONG_LEASE) as role, gateway(internal(role), epoch=1) as old:
        old.begin(place(1))
        await until(lambda: old.known == [(1, False)])
        async with gateway(internal(role), epoch=2) as new:
            new.begin(place(7))
            with pytest.raises(WrongState) as fenced:
                await asyncio.wait_for(old.attachments.wait(), 20)
            assert fenced.value.reason is Reason.FENCED
            await until(lambda: new.known == [(7, False)])
            old.begin(place(2))
            await old.attachments.stop()
            assert await numbers(internal(role)) == [7]


async def test_a_failing_callback_surfaces() -> None:
    async with presence_role(LONG_LEASE) as role:
        attachments = Attachments([internal(role)])

        def fails(_numbers: Collection[int], _again: bool) -> None:
            raise ZeroDivisionError

        attachments.start(GatewayAddress("g1", 1, "g1:1"), lambda: [place(1)], fails)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(attachments.wait(), 20)
        await attachments.stop()


async def test_stops_at_once_where_nobody_listens() -> None:
    async with presence_role(LONG_LEASE) as role:
        address = internal(role)
    async with gateway(address) as held:
        held.begin(place(1))
        await until(lambda: bool(held.attachments._running) and attachment_of(held)._tried)
        tasks = [task for _, task in held.attachments._running.values()]
    assert all(task.done() for task in tasks)
    await held.attachments.wait()
