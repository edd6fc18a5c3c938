"""What a run did and saw, and the promises checked on it. Pure; a later harness takes it over."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Receipt:
    """An acknowledged event: where the door said it lies. `clean`: accepted by the first attempt."""

    event_id: str
    member: str
    priority: int
    position: int
    clean: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notification as a device got it."""

    event_id: str
    member: str
    priority: int
    position: int


@dataclass
class History:
    """Receipts in the order of publishing; arrivals in the order of each device's eyes."""

    receipts: list[Receipt] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    received: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    pulled: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))

    def broken_promises(self) -> list[str]:
        """One line a violation, the promise's name first."""
        found: list[str] = []
        by_member: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in self.receipts:
            by_member[receipt.member].append(receipt)
        for device, arrivals in [*self.received.items(), *self.pulled.items()]:
            member = device.partition("/")[0]
            found += _judge(device, member, arrivals, by_member[member], self.published)
        return found


def _judge(
    device: str,
    member: str,
    arrivals: Sequence[Arrival],
    receipts: Sequence[Receipt],
    published: set[str],
) -> list[str]:
    found: list[str] = []
    times = Counter(arrival.event_id for arrival in arrivals)
    at = {arrival.event_id: arrival.position for arrival in arrivals}
    found += [f"Once: {device} saw {i} {n} times" for i, n in times.items() if n > 1]
    found += [f"Durable: {device} never saw {r.event_id}" for r in receipts if r.event_id not in at]
    found += [
        f"Private: {device} saw {a.event_id} of {a.member}" for a in arrivals if a.member != member
    ]
    found += [f"Private: {device} saw {i}, never published" for i in times if i not in published]
    last: dict[int, int] = {}
    for arrival in arrivals:
        if arrival.position <= last.get(arrival.priority, 0):
            found.append(f"Ordered: {device} saw {arrival.event_id} after a later one")
        last[arrival.priority] = arrival.position
    clean_last: dict[int, int] = {}
    for receipt in receipts:
        if not receipt.clean or receipt.event_id not in at:
            continue
        if at[receipt.event_id] != receipt.position:
            found.append(
                f"Once: {receipt.event_id} is at {at[receipt.event_id]}, its receipt says {receipt.position}"
            )
        if receipt.position <= clean_last.get(receipt.priority, 0):
            found.append(f"Ordered: {receipt.event_id} lies before an earlier one of its caller")
        clean_last[receipt.priority] = receipt.position
    return found
