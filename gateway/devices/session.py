"""One device's stream as values: its lanes, its outbox, and what its next frame says. Pure; the shell around it is stream.py."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.devices.cursor import owner_of, seal_cursor
from gateway.devices.gaps import crosses_loss, lane_names
from gateway.devices.lane import Lane, ReadToken, Verdict
from gateway.devices.merging import Shown
from gateway.devices.outbox import Outbox
from gateway.devices.starting import begin
from gateway.devices.untold import UntoldGaps
from gateway.devices.view import RowView
from reno.domain.identity import Device
from reno.domain.outcome import Outcome
from reno.domain.position import MAX_POSITION
from reno.domain.priority import LANES, Priority
from reno.gates import is_expired, is_pushable
from reno.ports import Page, Slice
from reno.render import render_answer, render_notification
from reno.v1.notification_pb2 import VIA_CATCH_UP, VIA_PUSH, Gap
from reno.v1.notification_service_pb2 import SubscribeResponse

LOOK_ROWS = 1
LOOK_BYTES = 1
"""A LIVE lane only asks whether there is anything; what it finds is read with BEHIND's next page."""


@dataclass(slots=True)
class FrameLimits:
    """Of one frame."""

    max_rows: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Read:
    """A read that a lane wants now. `begins`: it only asks where the lane begins."""

    token: ReadToken
    slice: Slice
    begins: bool


@dataclass(slots=True)
class Handed:
    """A frame, and what became of rows with it."""

    frame: bytes
    outcomes: Counter[tuple[Priority, Outcome]] = field(default_factory=Counter)
    pushed: list[RowView] = field(default_factory=list)
    """Sampled rows, for their traces."""


class Session:
    """Owner of no task and no clock: told of pushes and pages, asked for frames."""

    def __init__(
        self,
        device: Device,
        wanted: Mapping[Priority, int],
        outbox: Outbox,
        limits: FrameLimits,
        gaps: Collection[Gap] = (),
    ) -> None:
        self.device = device
        self.outbox = outbox
        self.lanes = {lane: Lane(max(0, wanted[lane])) for lane in LANES}
        self.outcomes: Counter[tuple[Priority, Outcome]] = Counter()
        """Of rows that no frame will carry; handed over with the next one."""
        self._wanted = dict(wanted)
        self._unbegun = set(LANES)
        self._owner = owner_of(device)
        self._limits = limits
        self._untold = UntoldGaps(gaps)
        self._missing: set[Priority] = set()
        self._says_missing = False
        self._owes_caught_up = True

    def offer(self, priority: Priority, row: RowView, previous: int | None, now_ms: int) -> Verdict:
        """A pushed row. FELL_BEHIND also when the outbox is full."""
        lane = self.lanes[priority]
        queued, sent = lane.queued, lane.sent
        verdict = lane.offer(row.position, previous)
        if verdict is Verdict.FELL_BEHIND:
            self._void(priority)
        if verdict is not Verdict.QUEUE:
            return verdict
        if crosses_loss(queued, lane.queued):
            self._untold.owe(Gap.REASON_LOG_LOST, priority, sent)
        if self._is_shown(priority, row, now_ms) and not self.outbox.push(priority, Shown(row)):
            # Also a word: a look that is under way knows nothing of what is void now.
            lane.read_again()
            self._void(priority)
            return Verdict.FELL_BEHIND
        self._settle(priority)
        return verdict

    def look(self, priority: Priority) -> None:
        """Something of the lane may have been missed: it is to be read, and is BEHIND where that finds something."""
        self.lanes[priority].look()

    def look_round(self) -> None:
        """Every lane is to be read though nothing happened; then the device is told again that it is current."""
        self._owes_caught_up = True
        for lane in self.lanes.values():
            lane.look()

    def wants_read(self, priority: Priority) -> bool:
        """BEHIND, or asked to look."""
        return self.lanes[priority].current_at is None

    def next_read(self, priority: Priority, max_rows: int, max_bytes: int) -> Read | None:
        """What to ask the inbox; None while there is no room for the answer. The limits are a page's."""
        lane, device = self.lanes[priority], self.device
        token = lane.read_began()

        def asks(after: int, rows: int, size: int, device_id: str = "") -> Slice:
            return Slice(device.tenant, device.member_id, device_id, after, rows, size)

        if priority in self._unbegun and self._wanted[priority] < 0:
            return Read(token, asks(MAX_POSITION, 1, 1, device.device_id), begins=True)
        if lane.is_live:
            return Read(token, asks(token.after, LOOK_ROWS, LOOK_BYTES), begins=False)
        rows, size = self.outbox.room(priority)
        if rows == 0:
            return None
        return Read(
            token, asks(token.after, min(rows, max_rows), min(size, max_bytes)), begins=False
        )

    def begin_lane(self, priority: Priority, page: Page, acknowledged: int) -> int | None:
        """Before a lane's first page is taken: settles where it begins. The position that the device's cursor acknowledges, None when it has none to
        acknowledge. `acknowledged`: the highest known for the device."""
        if priority not in self._unbegun:
            return None
        wanted = self._wanted[priority]
        beginning = begin(wanted, mark=page.mark, acknowledged=acknowledged)
        self._unbegun.discard(priority)
        if beginning.is_ahead:
            self._untold.owe(Gap.REASON_FUTURE, priority, 0)
        if beginning.position != self.lanes[priority].queued:
            self.lanes[priority].restart(beginning.position)
        return wanted if wanted > 0 and not beginning.is_ahead else None

    def take_page(
        self, priority: Priority, read: Read, page: Page, rows: Collection[RowView], now_ms: int
    ) -> None:
        """An answer of the inbox; `rows` are the page's, parsed."""
        self._missing.discard(priority)
        lane = self.lanes[priority]
        if read.begins or not lane.is_usable(read.token):
            return
        queued, sent = lane.queued, lane.sent
        if lane.is_live and any(row.position > queued for row in rows):
            # Beside what waits there may be no room for it.
            lane.read_answered(read.token, queued, found=True, more=True)
            self._owes_caught_up = True
            return
        found = False
        for row in rows:
            if row.position > lane.queued:
                found = True
                if self._is_shown(priority, row, now_ms):
                    self.outbox.add(priority, Shown(row))
        lane.read_answered(read.token, page.through, found=found, more=page.more)
        self._owes_caught_up |= not lane.is_live
        if crosses_loss(queued, lane.queued):
            self._untold.owe(Gap.REASON_LOG_LOST, priority, sent)
        if page.left_out_through > queued:
            self._untold.owe(Gap.REASON_OVERFLOW, priority, sent)
        self._settle(priority)

    def lane_missing(self, priority: Priority) -> None:
        """Its inbox does not answer."""
        if priority not in self._missing:
            self._missing.add(priority)
            self._says_missing = True

    def cursor(self, now_ms: int) -> str:
        """Where the device stands when it has handled every frame up to now."""
        positions = [self.lanes[lane].sent for lane in LANES]
        if self._untold or self._unbegun:
            positions = [
                self._wanted[lane]
                if lane in self._unbegun
                else self._untold.hold(lane, self.lanes[lane].sent)
                for lane in LANES
            ]
        return seal_cursor(now_ms, self._owner, positions)

    def has_news(self) -> bool:
        """A frame may have something to say."""
        return (
            not self.outbox.is_empty()
            or bool(self._untold)
            or self._says_missing
            or self._is_caught_up()
        )

    def next_frame(self, now_ms: int, *, checkpoint: bool) -> Handed | None:
        """None when there is nothing to say; a checkpoint always says something."""
        if not (checkpoint or self.has_news()):
            return None
        handed = Handed(b"")
        gap = self._untold.next()
        notifications = [] if self._untold else self._take(handed, now_ms)
        if caught_up := self._is_caught_up():
            self._owes_caught_up = False
        has_news = caught_up or gap is not None or self._says_missing
        if not (checkpoint or notifications or has_news):
            self.outcomes += handed.outcomes
            return None
        self._says_missing = False
        rest = None
        if has_news or self._missing:
            rest = SubscribeResponse(
                caught_up=caught_up, gap=gap, missing=lane_names(self._missing)
            )
        handed.frame = render_answer(notifications, self.cursor(now_ms), rest)
        if self.outcomes:
            handed.outcomes += self.outcomes
            self.outcomes.clear()
        return handed

    def _take(self, handed: Handed, now_ms: int) -> list[bytes]:
        taken = self.outbox.take(self._limits.max_rows, self._limits.max_bytes, now_ms)
        notifications = []
        became: list[tuple[Priority, Outcome]] = []
        for lane, shown in taken.rows:
            row = shown.row
            is_push = not row.store_only and is_pushable(row.push_until_ms, now_ms)
            notifications.append(
                render_notification(
                    row.notification,
                    action=row.action_for(self.device.device_class),
                    position=row.position,
                    via=VIA_PUSH if is_push else VIA_CATCH_UP,
                    merged=shown.merged,
                )
            )
            became.append((lane, Outcome.PUSHED if is_push else Outcome.CAUGHT_UP))
            if shown.merged:
                handed.outcomes[lane, Outcome.MERGED] += shown.merged
            if row.traceparent:
                handed.pushed.append(row)
            self.lanes[lane].handed(row.position)
        handed.outcomes.update(became)
        for lane, count in taken.expired.items():
            handed.outcomes[lane, Outcome.EXPIRED] += count
        for lane in taken.lanes:
            self._settle(lane)
        return notifications

    def _is_shown(self, priority: Priority, row: RowView, now_ms: int) -> bool:
        if not row.is_for(self.device):
            self.outcomes[priority, Outcome.NOT_TARGETED] += 1
            return False
        if is_expired(row.expires_at_ms, now_ms):
            self.outcomes[priority, Outcome.EXPIRED] += 1
            return False
        return True

    def _is_caught_up(self) -> bool:
        return (
            self._owes_caught_up
            and not self._untold
            and all(
                lane.is_live and lane.current_at is not None and lane.sent >= lane.current_at
                for lane in self.lanes.values()
            )
        )

    def _void(self, priority: Priority) -> None:
        self.outbox.drop(priority)
        self._owes_caught_up = True

    def _settle(self, priority: Priority) -> None:
        if self.outbox.has_none(priority):
            self.lanes[priority].settle()
