"""Who is online, by the leases of gateways. Pure: every call is given the time, in milliseconds of a clock that never goes back."""

import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from reno.domain.member import member_key
from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable, WrongState
from reno.ports import GatewayAddress, SessionPlace


class PresenceState(IntEnum):
    """Same names and numbers as reno.v1.PresenceState (a test holds them together)."""

    ONLINE = 1
    OFFLINE = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Attachment:
    """One stream of a gateway; only the newest of a gateway counts."""

    gateway: GatewayAddress
    serial: int


@dataclass(slots=True, eq=False)
class Session:
    """A device's stream; lives as long as its gateway's lease at most."""

    lease: "Lease"
    member_key: bytes
    number: int
    device_id: str
    device_class: str
    serial: int
    encoded: bytes = b""
    """The session as an answer carries it; empty: nobody asked yet."""

    @property
    def gateway(self) -> GatewayAddress:
        """Which holds the session."""
        return self.lease.gateway


@dataclass(slots=True, eq=False)
class Lease:
    """A gateway's, of one epoch."""

    gateway: GatewayAddress
    serial: int
    until_ms: int
    sessions: dict[int, Session] = field(default_factory=dict)
    earlier_until_ms: int | None = None
    """When sessions of earlier attachments end though no snapshot was completed; None: there are none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up comes to."""

    sessions: list[tuple[Session, ...]]
    """In the order of the keys; none where the member is not ONLINE."""
    others: PresenceState
    """What is known of members without sessions: OFFLINE, or UNKNOWN until the replica would know."""

    def __iter__(self) -> Iterator[tuple[PresenceState, tuple[Session, ...]]]:
        """Each member, in the order of the keys."""
        return ((PresenceState.ONLINE if held else self.others, held) for held in self.sessions)


class LeaseTable:
    """A replica's memory. An ended lease is never served, however late anybody looks."""

    def __init__(self, *, lease_ms: int, max_sessions: int, now_ms: int) -> None:
        self._lease_ms = lease_ms
        self._max_sessions = max_sessions
        self._leases: dict[str, Lease] = {}
        self._members: dict[bytes, tuple[Session, ...]] = {}
        self._sessions = 0
        self._serial = 0
        self._next_end_ms = sys.maxsize
        self._awake_ms = now_ms
        self._sure_from_ms = now_ms + lease_ms
        self._lapsed: list[tuple[GatewayAddress, int]] = []
        self._unnamed: set[str] = set()
        """Gateways whose first snapshot since their lease began is not complete: any member may be with them."""
        self.watched: set[bytes] = set()
        """Keys of members whose changes somebody wants to know; the watches' to fill."""
        self._changed: set[bytes] = set()

    @property
    def sessions(self) -> int:
        """How many are held."""
        return self._sessions

    @property
    def gateways(self) -> int:
        """How many hold a lease."""
        return len(self._leases)

    def lookup(self, member_keys: Iterable[bytes], now_ms: int) -> Found:
        """Nearly all members that processors ask for are offline: one of them costs a look into the dictionary."""
        others = PresenceState.OFFLINE if self.is_sure(now_ms) else PresenceState.UNKNOWN
        held = self._members.get
        return Found([held(key, ()) for key in member_keys], others)

    def is_sure(self, now_ms: int) -> bool:
        """Who is not known here is OFFLINE, and not UNKNOWN."""
        self.expire(now_ms)
        return now_ms >= self._sure_from_ms and not self._unnamed

    def take_changed(self) -> set[bytes]:
        """Watched members whose sessions began, ended or changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def hello(self, gateway: GatewayAddress, now_ms: int) -> Attachment:
        """From now on only this attachment of the gateway counts; sessions of an older epoch end. Raises WrongState (FENCED) while a newer epoch's lease holds."""
        self.expire(now_ms)
        lease = self._leases.get(gateway.gateway_id)
        if lease and lease.gateway.epoch > gateway.epoch:
            raise _fenced(gateway)
        if lease and lease.gateway.epoch < gateway.epoch:
            self._end(lease)
            lease = None
        self._serial += 1
        until_ms = now_ms + self._lease_ms
        if lease is None:
            lease = self._leases[gateway.gateway_id] = Lease(gateway, self._serial, until_ms)
            self._unnamed.add(gateway.gateway_id)
        else:
            lease.gateway, lease.serial, lease.until_ms = gateway, self._serial, until_ms
            # A gateway that attaches again and again without completing a snapshot must not keep alive what it no longer names.
            if lease.earlier_until_ms is None:
                lease.earlier_until_ms = until_ms
        self._next_end_ms = min(self._next_end_ms, until_ms)
        return Attachment(gateway, self._serial)

    def change(
        self,
        attachment: Attachment,
        now_ms: int,
        *,
        began: Iterable[SessionPlace] = (),
        ended: Collection[int] = (),
        snapshot_complete: bool = False,
        goodbye: bool = False,
    ) -> None:
        """Renews the lease and applies what the gateway said.

        Changes nothing and raises WrongState (FENCED) when a newer epoch is attached, Unavailable (NOT_READY) when a newer stream is or the lease has ended.
        Raises TryLater (FULL) at max_sessions; what was applied until then stays.
        """
        self.expire(now_ms)
        lease = self._current(attachment)
        if goodbye:
            self._end(lease)
            return
        lease.until_ms = now_ms + self._lease_ms
        for number in ended:
            if session := lease.sessions.get(number):
                self._remove(session)
        gone = frozenset(ended)
        for place in began:
            if place.number not in gone:
                self._begin(lease, place)
        if snapshot_complete:
            self._unnamed.discard(lease.gateway.gateway_id)
            self._end_earlier(lease)

    def expire(self, now_ms: int) -> None:
        """Ends every lease that is over, all sessions of a gateway together. To be called at least every quarter of a lease."""
        if now_ms - self._awake_ms > self._lease_ms // 2:
            # This process slept, so leases may have ended only because nobody read the gateways' requests.
            self._sure_from_ms = now_ms + self._lease_ms
        self._awake_ms = now_ms
        if now_ms < self._next_end_ms:
            return
        for lease in list(self._leases.values()):
            if now_ms >= lease.until_ms:
                self._lapsed.append((lease.gateway, len(lease.sessions)))
                self._end(lease)
            elif lease.earlier_until_ms is not None and now_ms >= lease.earlier_until_ms:
                self._end_earlier(lease)
        self._next_end_ms = min(
            (
                lease.until_ms if lease.earlier_until_ms is None else lease.earlier_until_ms
                for lease in self._leases.values()
            ),
            default=sys.maxsize,
        )

    def take_lapsed(self) -> list[tuple[GatewayAddress, int]]:
        """Gateways whose lease ended without a goodbye since the last call, with how many sessions they had."""
        lapsed, self._lapsed = self._lapsed, []
        return lapsed

    def _current(self, attachment: Attachment) -> Lease:
        lease = self._leases.get(attachment.gateway.gateway_id)
        if lease is None:
            raise Unavailable(Reason.NOT_READY, "the lease has ended: attach again")
        if lease.gateway.epoch > attachment.gateway.epoch:
            raise _fenced(attachment.gateway)
        if lease.serial != attachment.serial:
            raise Unavailable(Reason.NOT_READY, "a newer stream of this gateway is attached")
        return lease

    def _begin(self, lease: Lease, place: SessionPlace) -> None:
        known = lease.sessions.get(place.number)
        key = member_key(place.tenant, place.member_id)
        if known and known.member_key == key:
            known.device_id, known.device_class = place.device_id, place.device_class
            known.serial, known.encoded = lease.serial, b""
            self._note(key)
            return
        if known:
            self._remove(known)
        if self._sessions >= self._max_sessions:
            raise TryLater(
                Reason.FULL,
                f"this replica holds {self._max_sessions} sessions, its limit",
                retry_after_s=self._lease_ms / 1000,
            )
        device_class = sys.intern(place.device_class)
        session = Session(lease, key, place.number, place.device_id, device_class, lease.serial)
        lease.sessions[place.number] = session
        self._members[key] = (*self._members.get(key, ()), session)
        self._sessions += 1
        self._note(key)

    def _remove(self, session: Session) -> None:
        del session.lease.sessions[session.number]
        self._forget(session)

    def _note(self, key: bytes) -> None:
        if key in self.watched:
            self._changed.add(key)

    def _forget(self, session: Session) -> None:
        self._sessions -= 1
        self._note(session.member_key)
        if left := tuple(s for s in self._members[session.member_key] if s is not session):
            self._members[session.member_key] = left
        else:
            del self._members[session.member_key]

    def _end_earlier(self, lease: Lease) -> None:
        lease.earlier_until_ms = None
        for session in [s for s in lease.sessions.values() if s.serial != lease.serial]:
            self._remove(session)

    def _end(self, lease: Lease) -> None:
        del self._leases[lease.gateway.gateway_id]
        self._unnamed.discard(lease.gateway.gateway_id)
        for session in lease.sessions.values():
            self._forget(session)


def _fenced(gateway: GatewayAddress) -> WrongState:
    return WrongState(
        Reason.FENCED,
        f"a newer epoch of {gateway.gateway_id} than {gateway.epoch} is attached",
    )
