"""Look-ups that share calls: each gets its own, as if it had asked alone."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from reno.adapters.gathered_lookup import CALLS_IN_FLIGHT, GatheredLookup
from reno.adapters.presence_client import MAX_MEMBERS
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import GatewayAddress, Located

G1, G2 = GatewayAddress("g1", 1, "h:1"), GatewayAddress("g2", 1, "h:2")


class Presence:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.online: dict[GatewayAddress, set[bytes]] = {}
        self.asked: list[list[bytes]] = []
        self.answers = asyncio.Semaphore(0)
        self.fails = False

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        assert timeout_s == 2.0
        self.asked.append(list(member_keys))
        await self.answers.acquire()
        if self.fails:
            raise Unavailable(Reason.NOT_READY, "away")
        asked = set(member_keys)
        return Located({gateway: keys & asked for gateway, keys in self.online.items()})


def ask(lookup: GatheredLookup, *members: bytes) -> "asyncio.Task[Located]":
    return asyncio.create_task(lookup.lookup(members, 2.0))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def busy(lookup: GatheredLookup) -> "list[asyncio.Task[Located]]":
    """As many calls as may be under way."""
    calls = []
    for number in range(CALLS_IN_FLIGHT):
        calls.append(ask(lookup, b"first%d" % number))
        await settled()
    return calls


async def test_what_is_asked_while_calls_are_under_way_goes_with_the_next_one() -> None:
    presence = Presence()
    lookup = GatheredLookup(presence)
    first = await busy(lookup)
    later = [ask(lookup, b"a", b"b"), ask(lookup, b"c"), ask(lookup, b"d")]
    await settled()
    assert len(presence.asked) == CALLS_IN_FLIGHT
    # Who comes before the call begins is found by it.
    presence.online = {G1: {b"a", b"c"}, G2: {b"a"}}
    for _ in range(CALLS_IN_FLIGHT + 1):
        presence.answers.release()
    found = [(await each).by_gateway for each in later]
    assert found == [{G1: {b"a"}, G2: {b"a"}}, {G1: {b"c"}}, {}]
    assert [(await each).by_gateway for each in first] == [{}] * CALLS_IN_FLIGHT
    assert presence.asked[CALLS_IN_FLIGHT:] == [[b"a", b"b", b"c", b"d"]]


async def test_a_call_asks_for_no_more_than_a_request_holds() -> None:
    presence = Presence()
    lookup = GatheredLookup(presence)
    first = await busy(lookup)
    later = [ask(lookup, *[b"%d" % at] * (MAX_MEMBERS // 2)) for at in range(3)]
    for _ in range(CALLS_IN_FLIGHT + 2):
        presence.answers.release()
    await asyncio.gather(*first, *later)
    assert [len(each) for each in presence.asked[CALLS_IN_FLIGHT:]] == [
        MAX_MEMBERS,
        MAX_MEMBERS // 2,
    ]


async def test_one_that_goes_away_leaves_the_others_alone() -> None:
    presence = Presence()
    lookup = GatheredLookup(presence)
    first = await busy(lookup)
    gone, stays = ask(lookup, b"a"), ask(lookup, b"b")
    await settled()
    gone.cancel()
    presence.online = {G1: {b"a", b"b"}}
    for _ in range(CALLS_IN_FLIGHT + 1):
        presence.answers.release()
    assert (await stays).by_gateway == {G1: {b"b"}}
    assert gone.cancelled()
    await asyncio.gather(*first)


async def test_a_failure_reaches_who_waits_for_it_and_nobody_else() -> None:
    presence = Presence()
    lookup = GatheredLookup(presence)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
    first = await busy(lookup)
    later = [ask(lookup, b"a"), ask(lookup, b"b"), ask(lookup, b"c")]
    await settled()
    later[2].cancel()
    for each in first:
        each.cancel()
    presence.fails = True
    for _ in range(CALLS_IN_FLIGHT + 1):
        presence.answers.release()
    for each in later[:2]:
        with pytest.raises(Unavailable):
            await each
    presence.fails = False
    presence.answers.release()
    assert (await lookup.lookup([b"a"], 2.0)).by_gateway == {}
    await settled()
    gc.collect()
    assert not complaints
