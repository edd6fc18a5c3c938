"""The lease table against a model that keeps every record and works out what holds only when it is asked."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from presence.lease_table import Attachment, LeaseTable, PresenceState
from reno.domain.member import member_key
from reno.errors import Unavailable, WrongState
from reno.ports import GatewayAddress, SessionPlace

LEASE_MS = 100
MEMBERS = ("anna", "ben", "carl")

gateway_ids = st.sampled_from(("g1", "g2"))
epochs = st.integers(1, 3)
numbers = st.integers(1, 5)
places = st.builds(
    SessionPlace,
    number=numbers,
    tenant=st.just(""),
    member_id=st.sampled_from(MEMBERS),
    device_id=st.sampled_from(("tv", "phone")),
    device_class=st.just("tv"),
)


@dataclass
class Stream:
    """The newest stream of a gateway, and all that was said on its epoch."""

    epoch: int
    serial: int
    until_ms: int
    earlier_until_ms: int | None = None
    is_named: bool = False
    """A snapshot was complete since the lease began."""
    said: dict[int, tuple[SessionPlace, int]] = field(default_factory=dict)

    def holds(self, now_ms: int) -> bool:
        return now_ms < self.until_ms

    def live(self, now_ms: int) -> dict[int, tuple[SessionPlace, int]]:
        if not self.holds(now_ms):
            return {}
        over = self.earlier_until_ms is not None and now_ms >= self.earlier_until_ms
        return {
            number: (place, serial)
            for number, (place, serial) in self.said.items()
            if serial == self.serial or not over
        }


class Leases(RuleBasedStateMachine):
    attachments: Bundle[Attachment] = Bundle("attachments")

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.asked_ms = 0
        self.sure_from_ms = LEASE_MS
        self.table = LeaseTable(lease_ms=LEASE_MS, max_sessions=10_000, now_ms=0)
        self.streams: dict[str, Stream] = {}

    def asks(self) -> None:
        """Every call of the table tells it that it is awake."""
        if self.now_ms - self.asked_ms > LEASE_MS // 2:
            self.sure_from_ms = self.now_ms + LEASE_MS
        self.asked_ms = self.now_ms
        for stream in self.streams.values():
            stream.said = stream.live(self.now_ms)
            if stream.earlier_until_ms is not None and self.now_ms >= stream.earlier_until_ms:
                stream.earlier_until_ms = None

    @rule(ms=st.sampled_from((1, 10, 30, 49, 50, 51, 99, 100, 101, 350)))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule(target=attachments, gateway_id=gateway_ids, epoch=epochs)
    def hello(self, gateway_id: str, epoch: int) -> Attachment:
        self.asks()
        gateway = GatewayAddress(gateway_id, epoch, "127.0.0.1:1")
        stream = self.streams.get(gateway_id)
        holding = stream if stream and stream.holds(self.now_ms) else None
        if holding and holding.epoch > epoch:
            try:
                self.table.hello(gateway, self.now_ms)
            except WrongState:
                return Attachment(gateway, -1)
            raise AssertionError("not fenced")
        attachment = self.table.hello(gateway, self.now_ms)
        until_ms = self.now_ms + LEASE_MS
        if holding and holding.epoch == epoch:
            holding.serial, holding.until_ms = attachment.serial, until_ms
            if holding.earlier_until_ms is None:
                holding.earlier_until_ms = until_ms
        else:
            self.streams[gateway_id] = Stream(epoch, attachment.serial, until_ms)
        return attachment

    @precondition(lambda self: self.streams)
    @rule(
        attachment=attachments,
        began=st.lists(places, max_size=3, unique_by=lambda place: place.number),
        ended=st.lists(numbers, max_size=2),
        snapshot_complete=st.booleans(),
        goodbye=st.sampled_from((False, False, False, True)),
    )
    def change(
        self,
        attachment: Attachment,
        began: list[SessionPlace],
        ended: list[int],
        snapshot_complete: bool,
        goodbye: bool,
    ) -> None:
        self.asks()
        gateway = attachment.gateway
        stream = self.streams.get(gateway.gateway_id)
        try:
            self.table.change(
                attachment,
                self.now_ms,
                began=began,
                ended=ended,
                snapshot_complete=snapshot_complete,
                goodbye=goodbye,
            )
        except WrongState:
            assert stream
            assert stream.holds(self.now_ms)
            assert stream.epoch > gateway.epoch
            return
        except Unavailable:
            assert (
                not stream
                or not stream.holds(self.now_ms)
                or (stream.serial != attachment.serial and stream.epoch <= gateway.epoch)
            )
            return
        assert stream
        assert stream.holds(self.now_ms)
        assert stream.serial == attachment.serial
        if goodbye:
            del self.streams[gateway.gateway_id]
            return
        stream.until_ms = self.now_ms + LEASE_MS
        stream.said |= {place.number: (place, stream.serial) for place in began}
        for number in ended:
            stream.said.pop(number, None)
        if snapshot_complete:
            stream.is_named, stream.earlier_until_ms = True, None
            stream.said = {n: said for n, said in stream.said.items() if said[1] == stream.serial}

    def has_unnamed(self) -> bool:
        held = (stream for stream in self.streams.values() if stream.holds(self.now_ms))
        return any(not stream.is_named for stream in held)

    @rule()
    def expire(self) -> None:
        self.asks()
        self.table.expire(self.now_ms)

    @precondition(lambda self: self.now_ms - self.asked_ms <= LEASE_MS)
    @invariant()
    def says_what_holds(self) -> None:
        self.asks()
        answers = self.table.lookup([member_key("", m) for m in MEMBERS], self.now_ms)
        total = 0
        for member, (state, sessions) in zip(MEMBERS, answers, strict=True):
            expected = {
                (gateway_id, stream.epoch, place.number, place.device_id)
                for gateway_id, stream in self.streams.items()
                for place, _ in stream.live(self.now_ms).values()
                if place.member_id == member
            }
            found = [
                (s.gateway.gateway_id, s.gateway.epoch, s.number, s.device_id) for s in sessions
            ]
            assert sorted(found) == sorted(expected)
            total += len(found)
            if expected:
                assert state is PresenceState.ONLINE
            elif self.now_ms < self.sure_from_ms or self.has_unnamed():
                assert state is PresenceState.UNKNOWN
            else:
                assert state is PresenceState.OFFLINE
        assert self.table.sessions == total


Leases.TestCase.settings = settings(stateful_step_count=40)
TestLeases = Leases.TestCase
