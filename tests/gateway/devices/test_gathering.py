import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.devices.gathering import CALLS_IN_FLIGHT, Gathering
from reno.domain.identity import Device
from reno.domain.priority import Priority
from reno.errors import Unavailable
from reno.ports import MAX_SLICES, Page, Slice
from tests.gateway.devices.surroundings import PlayedInbox, eventually

LANE = Priority.HIGH


class HeldInbox(PlayedInbox):
    """Answers when it is let go; each page's mark is the slice's `after`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.let_go = asyncio.Event()

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        self.calls.append(len(slices))
        await self.let_go.wait()
        return [Page([], False, 0, wanted.after, 0) for wanted in slices]


def a_slice(after: int, max_bytes: int = 1) -> Slice:
    return Slice("", "anna", "", after, 1, max_bytes)


async def test_what_is_asked_together_goes_together_and_comes_back_to_its_asker() -> None:
    inbox = HeldInbox()
    gathering = Gathering(inbox, 10)
    inbox.let_go.set()
    count = MAX_SLICES + 7
    pages = await asyncio.gather(*(gathering.read(LANE, a_slice(n)) for n in range(count)))
    assert [page.mark for page in pages] == list(range(count))
    assert inbox.calls == [MAX_SLICES, 7]


async def test_few_calls_are_in_flight_and_the_rest_gathers_behind_them() -> None:
    """Bounded."""
    inbox = HeldInbox()
    gathering = Gathering(inbox, 10)
    asked = []
    for n in range(CALLS_IN_FLIGHT):
        asked.append(asyncio.create_task(gathering.read(LANE, a_slice(n))))
        await eventually(lambda n=n: len(inbox.calls) == n + 1)  # type: ignore[misc]
    asked += [asyncio.create_task(gathering.read(LANE, a_slice(n))) for n in range(100)]
    other = asyncio.create_task(gathering.read(Priority.LOW, a_slice(5)))
    await eventually(lambda: len(inbox.calls) == CALLS_IN_FLIGHT + 1)
    asked[-1].cancel()
    inbox.let_go.set()
    await asyncio.gather(*asked[:-1], other)
    assert inbox.calls == [*[1] * CALLS_IN_FLIGHT, 1, 100]


async def test_a_lane_that_does_not_answer_in_time_is_unavailable() -> None:
    inbox, device = HeldInbox(), Device("", "anna", "d", "tv")
    gathering = Gathering(inbox, 0.05)
    with pytest.raises(Unavailable):
        await gathering.read(LANE, a_slice(0))
    assert gathering.is_silent(LANE, device)
    assert not gathering.is_silent(Priority.LOW, device)
    inbox.let_go.set()
    await gathering.read(LANE, a_slice(0))
    assert not gathering.is_silent(LANE, device)


async def test_a_call_that_fails_when_every_asker_has_gone_is_nobodys_surprise() -> None:
    """asyncio complains of what a task raised and nobody took."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: complaints.append(said))
    inbox = HeldInbox()
    asked = asyncio.create_task(Gathering(inbox, 0.5).read(LANE, a_slice(1)))
    await eventually(lambda: bool(inbox.calls))
    asked.cancel()
    del asked
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    gc.collect()
    assert not complaints
