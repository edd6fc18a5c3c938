"""Look-ups of many shards gathered into few calls: what is asked while calls are under way goes with the next one. A call costs what a thousand members in it do."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from reno.adapters.presence_client import MAX_MEMBERS
from reno.ports import Located, PresenceLookup

CALLS_IN_FLIGHT = 2
"""A slow answer does not hold the others."""


@dataclass(slots=True, eq=False)
class _Batch:
    members: list[bytes] = field(default_factory=list)
    call: "asyncio.Task[Located] | None" = None


class GatheredLookup:
    """Implements reno.ports.PresenceLookup. The time counts from when the call begins, which may be a call's time later."""

    def __init__(self, presence: PresenceLookup) -> None:
        self._presence = presence
        self._calls = asyncio.Semaphore(CALLS_IN_FLIGHT)
        self._open: _Batch | None = None

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        """See PresenceLookup. The call begins after this was called: who is online by now is found. One that goes away leaves the others alone."""
        batch = self._open
        if batch is None or len(batch.members) + len(member_keys) > MAX_MEMBERS:
            batch = self._open = _Batch()
            batch.call = asyncio.create_task(self._call(batch, timeout_s))
        batch.members += member_keys
        assert batch.call is not None
        located = await asyncio.shield(batch.call)
        if not located.by_gateway:
            return located
        mine = set(member_keys)
        return Located(
            {
                gateway: shared
                for gateway, keys in located.by_gateway.items()
                if (shared := keys & mine)
            }
        )

    async def _call(self, batch: _Batch, timeout_s: float) -> Located:
        async with self._calls:
            if self._open is batch:
                self._open = None
            return await self._presence.lookup(batch.members, timeout_s)
