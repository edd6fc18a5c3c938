"""The promises, checked on a whole history. What should have been is worked out from the log alone, by other code than the product's."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.devices.cursor import Cursor
from gateway.ingestion.refusal import Refusal
from reno.domain.identity import Device
from reno.domain.member import member_key, shard_of
from reno.domain.position import UNPLACED, parts_of, position_of
from reno.domain.priority import Priority
from reno.ports import LogRecord, Shard
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event, Targets
from reno.v1.notification_pb2 import VIA_PUSH, Notification
from reno.v1.notification_service_pb2 import SubscribeResponse
from reno.wire.envelope import Unreadable, logged_rows, open_envelope
from tests.simulation.devices import FROM_ACKNOWLEDGED, FROM_LATEST, DeviceClient
from tests.simulation.gateways import Connection, Frame
from tests.simulation.kept import KeptLog
from tests.simulation.mix import NEVER_S
from tests.simulation.world import World


@dataclass(slots=True, eq=False)
class Due:
    """A row that the log says there must be."""

    position: int
    event_id: str
    row: Row
    bytes: bytes
    classes: frozenset[str]
    device_ids: frozenset[str]

    def is_for(self, device: Device) -> bool:
        return (
            device.device_id != self.row.origin_device_id
            and (not self.classes or device.device_class in self.classes)
            and (not self.device_ids or device.device_id in self.device_ids)
        )


Rows = dict[tuple[Priority, str], dict[int, Due]]
"""By lane and member, then position, ascending."""


def rows_due(log: KeptLog) -> Rows:
    """The first of each identity within its window of log time; envelopes that came twice count once."""
    due: Rows = {}
    for shard, records in log.history.items():
        now_ms = 0
        envelopes: set[bytes] = set()
        first: dict[bytes, int] = {}
        for record in records:
            now_ms = max(now_ms, record.timestamp_ms)
            try:
                envelope = open_envelope(record.payload)
            except Unreadable:
                continue
            if envelope.id in envelopes:
                continue
            envelopes.add(envelope.id)
            for index, logged in enumerate(logged_rows(envelope)):
                seen_ms = first.get(logged.identity)
                if seen_ms is not None and now_ms - seen_ms < logged.window_ms:
                    continue
                first[logged.identity] = now_ms
                row = Row.FromString(logged.row)
                position = position_of(0, record.sequence, index)
                targets = Targets.FromString(row.targets)
                due.setdefault((shard.priority, row.event.member_id), {})[position] = Due(
                    position,
                    row.event.id,
                    row,
                    logged.row,
                    frozenset(targets.device_classes),
                    frozenset(targets.device_ids),
                )
    return due


def check_history(world: World, clients: list[DeviceClient]) -> Rows:
    """Whatever happened. Raises AssertionError naming the promise."""
    due = rows_due(world.log)
    _accepted(world)
    for lane, key in world.inbox.members():
        _nothing_else(world, due, lane, key)
    for client in clients:
        for connection in client.connections:
            _Seen(connection, due).check()
    return due


def check_at_rest(world: World, clients: list[DeviceClient]) -> None:
    """Faults have stopped and everybody had time."""
    due = check_history(world, clients)
    for shard in world.shards:
        assert world.log.lag(shard) == 0, f"Bounded: {shard} is never purged"
    for (lane, member_id), rows in due.items():
        kept = world.inbox.rows(lane, member_key("", member_id))
        for position, each in rows.items():
            assert position in kept, f"Durable: {each.event_id} is not in the inbox"
    for client in clients:
        assert (owed := what_is_owed(client, due)) is None, owed


def _is_somewhere(event_id: str, records: Iterable[LogRecord]) -> bool:
    # As bytes: beside it stand messages that nobody can open.
    said = Event(id=event_id).SerializeToString()
    return any(said in record.payload for record in records)


def _accepted(world: World) -> None:
    """Durable: what was acknowledged is in the log, where its receipt says if it says so. Ordered: as its door took it."""
    latest: dict[tuple[str, Priority, str], int] = {}
    records = {
        (shard, record.sequence): record
        for shard, kept in world.log.history.items()
        for record in kept
    }
    for each in world.published:
        if each.answer is None or isinstance(each.answer, Refusal):
            continue
        if each.answer == UNPLACED:
            assert _is_somewhere(each.event.id, records.values()), f"Durable: no {each.event.id}"
            continue
        _, sequence, index = parts_of(each.answer)
        member_id = each.event.member_id
        shard = Shard(
            each.lane, shard_of(member_key("", member_id), world.mix.shards), world.mix.shards
        )
        found = records.get((shard, sequence))
        assert found, f"Durable: no message at {each.answer}"
        row = Row.FromString(open_envelope(found.payload).rows[index])
        assert (row.event.member_id, row.event.id) == (member_id, each.event.id), (
            f"Durable: another event at {each.answer}"
        )
        door = each.door, each.lane, member_id
        assert each.answer > latest.get(door, -1), f"Ordered: {each.event.id} overtook another"
        latest[door] = each.answer


def _nothing_else(world: World, due: Rows, lane: Priority, key: bytes) -> None:
    rows = due.get((lane, key.partition(b"\0")[2].decode()), {})
    for position, row in world.inbox.rows(lane, key).items():
        assert position in rows, f"Once: a row at {position} that the log does not give"
        assert row.row == rows[position].bytes, f"Once: another row at {position}"


class _Seen:
    """One stream or page, frame by frame."""

    def __init__(self, connection: Connection, due: Rows) -> None:
        self._connection = connection
        self._device = device = connection.device
        self._through = dict(connection.begun)
        self._shown: dict[Priority, list[int]] = {lane: [] for lane in connection.begun}
        self._rows = {lane: due.get((lane, device.member_id), {}) for lane in connection.begun}

    def check(self) -> None:
        for frame in self._connection.handled:
            assert not frame.response.HasField("gap"), "Resumable: a gap where nothing was lost"
            for notification in frame.response.notifications:
                self._notification(notification, frame)
            if frame.response.cursor:
                self._cursor(frame)

    def _notification(self, notification: Notification, frame: Frame) -> None:
        lane, position = Priority(notification.priority), notification.position
        what = f"{self._device.device_id} {lane.word} {notification.event_id} at {position}"
        row = self._rows[lane].get(position)
        assert row is not None, f"Once, Private: {what} is none of the member's rows"
        assert row.event_id == notification.event_id, f"Once: {what} is {row.event_id}"
        assert row.is_for(self._device), f"Private: {what} is not for this device"
        shown = self._shown[lane]
        assert not shown or position > shown[-1], f"Ordered: {what} after {shown[-1]}"
        # Where the server chose the beginning, it may have known an older one.
        if self._connection.request.cursor or shown:
            through = self._through[lane]
            assert position > through, f"Resumable: {what} again after {through}"
        shown.append(position)
        assert frame.now_ms <= row.row.expires_at_ms, f"Fresh: {what} had expired"
        if notification.via == VIA_PUSH:
            assert frame.now_ms <= row.row.push_until_ms, f"Fresh: {what} pushed too late"
            assert not row.row.store_only, f"Fresh: {what} pushed though it is store-only"

    def _cursor(self, frame: Frame) -> None:
        positions = Cursor.open(frame.response.cursor, self._device).positions
        for lane, shown in self._shown.items():
            at, before = positions[lane], self._through[lane]
            if at < 0:
                assert not shown, "Resumable: a cursor that forgets what was shown"
                continue
            assert not shown or shown[-1] <= at, f"Resumable: the cursor {at} is before {shown[-1]}"
            if before == FROM_ACKNOWLEDGED:
                before = min(at, frame.given[lane])
            if before != FROM_LATEST:
                self._covered(lane, before, at, frame)
            self._through[lane] = max(before, at)
            if isinstance(frame.response, SubscribeResponse) and frame.response.caught_up:
                mark = self._connection.marks[lane]
                assert at >= mark, f"Truthful: current at {at}, but {mark} was stored before"

    def _covered(self, lane: Priority, after: int, through: int, frame: Frame) -> None:
        """Resumable, Durable: everything in between was shown, or there is a reason why not: it had expired, or a newer one that was there stands for it."""
        shown, rows = set(self._shown[lane]), self._rows[lane]
        replaced: set[str] = set()
        for position in reversed(rows):
            if position <= after:
                return
            row = rows[position]
            if position > frame.marks[lane] or not row.is_for(self._device):
                continue
            event = row.row.event
            scope = f"{event.type} {event.merge_key}" if row.row.merges else ""
            assert (
                position > through
                or position in shown
                or row.row.expires_at_ms < frame.now_ms
                or scope in replaced
            ), (
                f"Resumable: {self._device.device_id} {lane.word} {row.event_id} at {position} "
                f"is left out between {after} and {through}"
            )
            if scope:
                replaced.add(scope)


def what_is_owed(client: DeviceClient, due: Rows) -> str | None:
    """None: the last stream's cursor lies behind every row that is still worth showing."""
    name, stream = client.device.device_id, client.stream
    if stream is None:
        return f"Durable: {name} cannot come back"
    cursors = [frame.response.cursor for frame in stream.handled if frame.response.cursor]
    if not cursors:
        return f"Durable: {name} was told nothing"
    positions = Cursor.open(cursors[-1], client.device).positions
    now_ms = stream.gateway.process.now_ms
    looks = stream.gateway.settings.gateway.look_interval_s < NEVER_S
    for lane in stream.begun:
        for row in due.get((lane, client.device.member_id), {}).values():
            is_worth = row.is_for(client.device) and row.row.expires_at_ms >= now_ms
            # It wakes nobody: without a look it waits for the next row.
            is_worth = is_worth and (looks or not row.row.store_only)
            if is_worth and row.position > positions[lane]:
                return f"Durable: {name} never got {row.event_id} at {row.position}, it is at {positions[lane]}"
    return None
