"""The sessions that this gateway holds, by number, member and device, and the limits on them."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Protocol

from xxhash import xxh3_64_intdigest

from gateway.devices.view import RowView
from reno.domain.identity import Device
from reno.domain.member import member_key
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import TryLater
from reno.ports import SessionPlace

RETRY_AFTER_S = 5.0

_NOBODY: dict[str, "Held"] = {}


class Held(Protocol):
    """A session as others reach it; no call waits."""

    number: int
    device: Device

    def deliver(self, priority: Priority, row: RowView, previous: int | None) -> None:
        """A pushed row of the device's member."""
        ...

    def look(self, priority: Priority) -> None:
        """Something of the lane may have been missed."""
        ...

    def known(self) -> None:
        """A presence replica knows the session."""
        ...

    def replace(self) -> None:
        """The same device subscribed again: the session ends."""
        ...

    def leave(self, delay_s: float) -> None:
        """The session ends, and its device should come back after the delay."""
        ...


class Registry:
    """One session a device: a newer one takes the older one's place. Calls count from `admit` to `left`, longer than their sessions: a device
    that does not read keeps a call open that has already ended here."""

    def __init__(self, max_sessions: int, max_sessions_per_member: int) -> None:
        self._max_sessions = max_sessions
        self._max_per_member = max_sessions_per_member
        self._by_number: dict[int, Held] = {}
        self._members: dict[bytes, dict[str, Held]] = {}
        self._shard_hashes: dict[bytes, int] = {}
        self._open: Counter[bytes] = Counter()
        self._open_in_all = 0
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def admit(self, device: Device) -> int:
        """The new session's number, unique while this process lives. Raises TryLater (TOO_MANY_SESSIONS)."""
        key = device.member_key
        replaces = device.device_id in self._members.get(key, _NOBODY)
        # Taking one's own place costs nobody anything, as long as the replaced calls do end.
        limit = self._max_per_member * (2 if replaces else 1)
        if self._open[key] >= limit or self._open_in_all >= self._max_sessions:
            raise TryLater(
                Reason.TOO_MANY_SESSIONS,
                "the member or this gateway has as many sessions as the limit allows",
                retry_after_s=RETRY_AFTER_S,
            )
        self._open[key] += 1
        self._open_in_all += 1
        self._last_number += 1
        return self._last_number

    def left(self, device: Device) -> None:
        """An admitted call is over."""
        key = device.member_key
        self._open[key] -= 1
        self._open_in_all -= 1
        if not self._open[key]:
            del self._open[key]

    def add(self, session: Held) -> None:
        """Replaces the device's older session."""
        key = session.device.member_key
        devices = self._members.get(key)
        if devices is None:
            devices = self._members[key] = {}
            self._shard_hashes[key] = xxh3_64_intdigest(key)
        replaced = devices.get(session.device.device_id)
        if replaced is not None:
            del self._by_number[replaced.number]
            replaced.replace()
        devices[session.device.device_id] = session
        self._by_number[session.number] = session

    def remove(self, session: Held) -> None:
        """Harmless for one that was replaced."""
        if self._by_number.pop(session.number, None) is None:
            return
        key = session.device.member_key
        del self._members[key][session.device.device_id]
        if not self._members[key]:
            del self._members[key]
            del self._shard_hashes[key]

    def number(self, number: int) -> Held | None:
        """None: it has ended."""
        return self._by_number.get(number)

    def all(self) -> list[Held]:
        """A copy: sessions end while it is walked."""
        return list(self._by_number.values())

    def of_member(self, tenant: str, member_id: str) -> Collection[Held]:
        """Empty for members that this gateway does not hold."""
        return self._members.get(member_key(tenant, member_id), _NOBODY).values()

    def of_shard(self, shard: int, shards: int) -> Iterator[Held]:
        """Sessions whose members' rows lie in the shard of a lane with so many shards."""
        for key, hashed in self._shard_hashes.items():
            if hashed % shards == shard:
                yield from self._members[key].values()

    def places(self) -> Iterator[SessionPlace]:
        """For presence."""
        for session in self.all():
            yield place_of(session)


def place_of(session: Held) -> SessionPlace:
    """The session as presence is told of it."""
    device = session.device
    return SessionPlace(
        session.number, device.tenant, device.member_id, device.device_id, device.device_class
    )
