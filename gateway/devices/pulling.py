"""Pull: one page of what a device has not seen, from every lane's inbox, out of one cursor into the next."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from gateway.devices.cursor import Cursor, owner_of
from gateway.devices.door import Door, Outcomes, count, now_ms, parse_page
from gateway.devices.gaps import crosses_loss, expired_gap, lane_gap, lane_names
from gateway.devices.merging import Shown, merge
from gateway.devices.starting import begin, wanted_positions
from reno.domain.identity import Device
from reno.domain.outcome import Outcome
from reno.domain.position import MAX_POSITION
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.gates import is_expired
from reno.ports import Page, Slice
from reno.render import render_answer, render_notification
from reno.v1.notification_pb2 import VIA_PULL, Gap
from reno.v1.notification_service_pb2 import PullResponse, StartAt

MAX_READS_PER_LANE = 8
"""Of one call: a lane whose pages hold nothing for the device goes on with the next call."""


@dataclass(slots=True)
class LaneFind:
    """What the reads of one lane gave: `start` and `through` are its cursor before and after, `shown` what lies between for the device."""

    start: int
    through: int
    shown: list[Shown]
    more: bool
    is_ahead: bool
    acknowledges: int
    is_cut: bool = False
    """Rows after `start` are left out, older than those that a read shows."""

    def expire(self, now_ms: int) -> int:
        """Drops what expired, also while another lane's answer was waited for; how many."""
        alive = [each for each in self.shown if not is_expired(each.row.expires_at_ms, now_ms)]
        expired, self.shown = len(self.shown) - len(alive), alive
        return expired


@dataclass(slots=True)
class Composed:
    """A page, as pure decision: rows in lane order, positions and whether something is left."""

    rows: list[tuple[Priority, Shown]]
    positions: dict[Priority, int]
    more: bool


def compose(finds: dict[Priority, LaneFind], max_rows: int, max_bytes: int) -> Composed:
    """High lane first; at least one row when there is any. A lane's position moves to its last row taken, or past everything read when all of it was."""
    page = Composed([], {}, more=False)
    for lane, find in finds.items():
        rows = merge(find.shown)
        taken = 0
        while taken < len(rows) and len(page.rows) < max_rows:
            size = rows[taken].row.size_bytes
            if size > max_bytes and page.rows:
                break
            max_bytes -= size
            page.rows.append((lane, rows[taken]))
            taken += 1
        if taken == len(rows):
            page.positions[lane] = find.through
            page.more |= find.more
        else:
            # Smaller rows of lower lanes must not overtake: the page is full.
            max_bytes = min(max_bytes, 0)
            page.positions[lane] = rows[taken - 1].row.position if taken else find.start
            page.more = True
    return page


class Pulling:
    """Reads only; the cursor given is what it acknowledges."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def pull(
        self, device: Device, cursor: Cursor | None, page_size: int, start_at: StartAt.ValueType
    ) -> bytes:
        """A serialised PullResponse. Raises errors.Unavailable (NOT_READY) when no lane's inbox answers."""
        settings, now = self._door.settings, now_ms()
        wanted = wanted_positions(cursor, start_at)
        size = min(page_size or settings.max_page_rows, settings.max_page_rows)
        outcomes: Outcomes = Counter()
        answers = await asyncio.gather(
            *(self._lane(device, lane, wanted[lane], outcomes) for lane in LANES)
        )
        finds = {lane: find for lane, find in zip(LANES, answers, strict=True) if find is not None}
        if not finds:
            raise Unavailable(Reason.NOT_READY, "no inbox answers now")
        composed_ms = now_ms()
        for lane, find in finds.items():
            outcomes[lane, Outcome.EXPIRED] += find.expire(composed_ms)
        page = compose(finds, size, settings.max_page_bytes)
        gap = tell(finds, page, expired_gap(cursor, now))
        if cursor is not None:
            acknowledged = {lane: find.acknowledges for lane, find in finds.items()}
            self._door.acknowledging.keep_if_room(device, acknowledged)
        missing = [lane for lane in LANES if lane not in finds]
        positions = {**wanted, **page.positions}
        # By the clock that has dropped what expired: it may have jumped meanwhile.
        left_at = Cursor(composed_ms, owner_of(device), positions).seal()
        rest = PullResponse(
            more=page.more or bool(missing),
            gap=gap,
            missing=lane_names(missing),
        )
        for lane, shown in page.rows:
            outcomes[lane, Outcome.PULLED] += 1
            outcomes[lane, Outcome.MERGED] += shown.merged
        count(+outcomes)
        notifications = [_render(device, shown) for _lane, shown in page.rows]
        return render_answer(notifications, left_at, rest)

    async def _lane(
        self, device: Device, lane: Priority, wanted: int, outcomes: Outcomes
    ) -> LaneFind | None:
        """None: its inbox does not answer."""
        try:
            return await self._read_lane(device, lane, wanted, outcomes)
        except Unavailable:
            return None

    async def _read_lane(
        self, device: Device, lane: Priority, wanted: int, outcomes: Outcomes
    ) -> LaneFind:
        # Also for a small page: what is read beyond it may merge into it.
        max_rows = self._door.settings.max_page_rows
        max_bytes = self._door.settings.max_page_bytes
        page: Page | None = None
        # Before the read: what is written while it is under way waits no longer when it answers.
        waiting = self._door.acknowledging.waiting(device, lane)
        if wanted < 0:
            first = await self._read(device, lane, MAX_POSITION, 1, 1, device.device_id)
        else:
            first = page = await self._read(device, lane, wanted, max_rows, max_bytes)
        start = begin(wanted, mark=first.mark, acknowledged=max(first.acknowledged, waiting))
        if start.is_ahead:
            page = None
        acknowledges = 0 if start.is_ahead else max(0, wanted)
        find = LaneFind(start.position, start.position, [], True, start.is_ahead, acknowledges)
        for _ in range(MAX_READS_PER_LANE):
            if page is None:
                page = await self._read(device, lane, find.through, max_rows, max_bytes)
            self._take(device, lane, find, page, outcomes)
            if find.shown or not page.more:
                break
            page = None
        return find

    async def _read(
        self,
        device: Device,
        lane: Priority,
        after: int,
        max_rows: int,
        max_bytes: int,
        device_id: str = "",
    ) -> Page:
        asked = Slice(device.tenant, device.member_id, device_id, after, max_rows, max_bytes)
        return await self._door.inbox.read(lane, asked)

    @staticmethod
    def _take(
        device: Device, lane: Priority, find: LaneFind, page: Page, outcomes: Outcomes
    ) -> None:
        for row in parse_page(page):
            if row.is_for(device):
                find.shown.append(Shown(row))
            else:
                outcomes[lane, Outcome.NOT_TARGETED] += 1
        find.is_cut |= page.left_out_through > find.through
        find.through = max(find.through, page.through)
        find.more = page.more


def _render(device: Device, shown: Shown) -> bytes:
    row = shown.row
    return render_notification(
        row.notification,
        action=row.action_for(device.device_class),
        position=row.position,
        via=VIA_PULL,
        merged=shown.merged,
    )


def tell(finds: dict[Priority, LaneFind], page: Composed, expired: Gap | None) -> Gap | None:
    """The page's gap. A lane with another one waits for a later page: its cursor stays, and its rows are taken out. FUTURE before EXPIRED: it says the stronger thing, that rows
    come again."""
    owed = {
        Gap.REASON_FUTURE: [lane for lane, find in finds.items() if find.is_ahead],
        Gap.REASON_LOG_LOST: [
            lane for lane, find in finds.items() if crosses_loss(find.start, page.positions[lane])
        ],
        Gap.REASON_OVERFLOW: [
            lane
            for lane, find in finds.items()
            if find.is_cut and page.positions[lane] > find.start
        ],
    }
    if expired is not None and not owed[Gap.REASON_FUTURE]:
        return expired
    told = next(((reason, lanes) for reason, lanes in owed.items() if lanes), None)
    if told is None:
        return None
    reason, now_told = told
    waiting = {lane for lanes in owed.values() for lane in lanes if lane not in now_told}
    page.rows = [(lane, shown) for lane, shown in page.rows if lane not in waiting]
    for lane in waiting:
        page.positions[lane] = finds[lane].start
        page.more = True
    return lane_gap(reason, now_told)
