"""What one watcher is told of its members. Pure: every call is given the time, in milliseconds of a clock that never goes back."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from presence.debouncing import Debounced
from presence.lease_table import PresenceState, Session

Places = tuple[tuple[str, str], ...]
"""Where a device is online, as (class, gateway id); none: it is not."""

NOWHERE: Places = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A member as its watcher is told of it; `devices` by id."""

    member_id: str
    state: PresenceState
    devices: Mapping[str, Places]


class Watching:
    """Keeps what was told, and what differs from it now: never more, however slowly the watcher reads."""

    def __init__(self, members: Mapping[bytes, str], interval_ms: int, *, is_sure: bool) -> None:
        """`members`: their ids by key. `is_sure`: see LeaseTable.is_sure."""
        self.members = members
        self._interval_ms = interval_ms
        self._is_sure = Debounced(is_sure)
        self._devices: dict[bytes, dict[str, Debounced[Places]]] = defaultdict(dict)
        self._restless: set[tuple[bytes, str]] = set()

    def begin(self, found: Iterable[tuple[bytes, Sequence[Session]]]) -> list[Told]:
        """Every member as it is now; once, first."""
        for key, sessions in found:
            for device_id, places in _places(sessions).items():
                self._devices[key][device_id] = Debounced(places)
        return [self._told(key) for key in self.members]

    def see(self, key: bytes, sessions: Sequence[Session], now_ms: int) -> None:
        """All that is online of a member now."""
        places, devices = _places(sessions), self._devices[key]
        for device_id in devices.keys() | places.keys():
            device = devices.get(device_id)
            if device is None:
                device = devices[device_id] = Debounced(NOWHERE)
            device.see(places.get(device_id, NOWHERE), now_ms)
            self._look_after(key, device_id, device)

    def see_sure(self, is_sure: bool, now_ms: int) -> None:
        """Whether who is not known is OFFLINE now, or UNKNOWN."""
        self._is_sure.see(is_sure, now_ms)

    @property
    def is_settled(self) -> bool:
        """Nothing will be to tell unless something changes."""
        return not self._restless and self._is_sure.is_settled

    def news(self, now_ms: int) -> list[Told]:
        """What is to be told now, and is told with this."""
        changed: dict[bytes, None] = {}
        for key, device_id in list(self._restless):
            device = self._devices[key][device_id]
            if device.is_due(self._interval_ms, now_ms):
                device.tell()
                self._look_after(key, device_id, device)
                changed[key] = None
        is_doubtful = self._is_sure.told and not self._is_sure.now
        if self._is_sure.is_due(self._interval_ms, now_ms) or (
            # Nobody is said to be OFFLINE while it is not known.
            is_doubtful and any(not self._online(key) for key in changed)
        ):
            self._is_sure.tell()
            changed |= dict.fromkeys(key for key in self.members if not self._online(key))
        return [self._told(key) for key in changed]

    def _look_after(self, key: bytes, device_id: str, device: Debounced[Places]) -> None:
        if not device.is_settled:
            self._restless.add((key, device_id))
            return
        self._restless.discard((key, device_id))
        if device.told == NOWHERE:
            del self._devices[key][device_id]

    def _online(self, key: bytes) -> dict[str, Places]:
        devices = self._devices.get(key, {})
        return {device_id: each.told for device_id, each in devices.items() if each.told}

    def _told(self, key: bytes) -> Told:
        absent = PresenceState.OFFLINE if self._is_sure.told else PresenceState.UNKNOWN
        online = self._online(key)
        return Told(self.members[key], PresenceState.ONLINE if online else absent, online)


def _places(sessions: Sequence[Session]) -> dict[str, Places]:
    # A device that came back has two sessions at its gateway for a moment.
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for session in sessions:
        places[session.device_id].add((session.device_class, session.gateway.gateway_id))
    return {device_id: tuple(sorted(found)) for device_id, found in places.items()}
