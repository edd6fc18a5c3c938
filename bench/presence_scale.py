"""What a presence replica needs a session: memory, time to learn it, time to find it. The real LeaseTable in this process, no network."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import uuid_utils

from presence.lease_table import Attachment, LeaseTable
from presence.lookup_answer import lookup_answer
from reno.adapters.attachment import MAX_SESSIONS_PER_REQUEST
from reno.domain.member import member_key
from reno.ports import GatewayAddress, SessionPlace
from reno.v1.lease_service_pb2 import AttachRequest, GatewayHello, LookupRequest

CLASSES = ("tv", "phone", "browser", "tablet")
LEASE_MS = 5_000
ONLINE_PERCENT = (1, 50)
LOOKED_UP = 10_000
"""Members, a batch size; whole batches of each."""


def member_ids() -> Iterator[str]:
    """Without end; UUIDs, as accounts often have."""
    while True:
        yield str(uuid_utils.uuid4())


def address(number: int) -> GatewayAddress:
    """A gateway as a cluster names it."""
    name = f"reno-gateway-{number}"
    return GatewayAddress(name, 1_700_000_000_000_000_000 + number, f"{name}.reno-gateway:7411")


def requests(members: Sequence[str], devices_each: int, first_number: int) -> list[bytes]:
    """A gateway's snapshot as it travels: serialised AttachRequests, the last of which completes it."""
    made = []
    places = ((member, device) for member in members for device in range(devices_each))
    sequence, number = 1, first_number
    while chunk := list(islice(places, MAX_SESSIONS_PER_REQUEST)):
        sequence += 1
        request = AttachRequest(sequence=sequence)
        for member, device in chunk:
            number += 1
            request.began.add(
                number=number,
                member_id=member,
                device_id=uuid_utils.uuid4().hex,
                device_class=CLASSES[device % len(CLASSES)],
            )
        made.append(request)
    made[-1].snapshot_complete = True
    return [request.SerializeToString() for request in made]


def learn(table: LeaseTable, attachment: Attachment, serialised: Sequence[bytes]) -> None:
    """What LeaseService does with the requests, without the stream."""
    for one in serialised:
        request = AttachRequest.FromString(one)
        table.change(
            attachment,
            0,
            began=(
                SessionPlace(s.number, s.tenant, s.member_id, s.device_id, s.device_class)
                for s in request.began
            ),
            ended=request.ended,
            snapshot_complete=request.snapshot_complete,
        )


def measure(sessions: int, gateways: int, devices_each: int = 2) -> dict[str, object]:
    """Fills a table in steps; every figure is of this machine."""
    table = LeaseTable(lease_ms=LEASE_MS, max_sessions=sessions, now_ms=-LEASE_MS)
    each = sessions // gateways // devices_each
    ids = member_ids()
    known: list[list[str]] = []
    points: list[tuple[int, int]] = []
    learning_s = 0.0
    snapshot_bytes = 0
    gc.collect()
    baseline = _resident_bytes()
    for number in range(gateways):
        members = list(islice(ids, each))
        serialised = requests(members, devices_each, number * each * devices_each)
        snapshot_bytes += sum(map(len, serialised))
        started = time.process_time()
        learn(table, table.hello(address(number), 0), serialised)
        learning_s += time.process_time() - started
        # Kept as the table's own bytes would be, so that they are counted apart below.
        if number % max(1, gateways // 100) == 0:
            known.append(members[:50])
        if (number + 1) % max(1, gateways // 8) == 0:
            points.append((table.sessions, _resident_bytes() - baseline))
    pause_s = _collection_s()
    online = [member_key("", member) for some in known for member in some]
    lookups = [one for percent in ONLINE_PERCENT for one in _lookups(table, online, percent)]
    answered = _answer_everything(table)
    after = _resident_bytes() - baseline
    held = table.sessions
    hello = GatewayHello(
        gateway_id=address(0).gateway_id, epoch=address(0).epoch, address=address(0).address
    ).ByteSize()
    return {
        "sessions": held,
        "gateways": gateways,
        "devices_of_a_member": devices_each,
        "bytes_per_session": round(slope(points)),
        "bytes_per_session_looked_up": round(slope(points) + (after - points[-1][1]) / answered),
        "learn_cpu_us_per_session": round(learning_s * 1e6 / held, 2),
        "snapshot_bytes_per_session": round(snapshot_bytes / held, 1),
        "sessions_of_a_request": MAX_SESSIONS_PER_REQUEST,
        "full_collection_ms_per_million_sessions": round(pause_s * 1e9 / held),
        "hello_bytes": hello,
        "lookups": lookups,
    }


def slope(points: Sequence[tuple[int, int]]) -> float:
    """Least squares."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)


def _lookups(
    table: LeaseTable, online: Sequence[bytes], online_percent: int
) -> list[dict[str, float]]:
    """So many of the members asked for are online, evenly."""
    found = []
    here, strangers = cycle(online), member_ids()
    mixed = [
        next(here)
        if at * online_percent % 100 < online_percent
        else member_key("", next(strangers))
        for at in range(LOOKED_UP)
    ]
    for batch in (1, 10, 100, 1000, 5000):
        asked = [mixed[start : start + batch] for start in range(0, len(mixed), batch)]
        requests = [LookupRequest(member_keys=one).SerializeToString() for one in asked]
        _timed(table, requests)  # encodes what is asked for the first time
        seconds, size = min(_timed(table, requests) for _ in range(3))
        found.append(
            {
                "online_percent": online_percent,
                "members": batch,
                "cpu_us_per_member": round(seconds * 1e6 / LOOKED_UP, 2),
                "answer_bytes_per_member": round(size / LOOKED_UP, 1),
            }
        )
    return found


def _timed(table: LeaseTable, requests: Sequence[bytes]) -> tuple[float, int]:
    """What LeaseService does with them, from bytes to bytes."""
    size = 0
    started = time.process_time()
    for request in requests:
        keys = LookupRequest.FromString(request).member_keys
        size += len(lookup_answer(table.lookup(keys, 0)))
    return time.process_time() - started, size


def _answer_everything(table: LeaseTable) -> int:
    """A look-up keeps each session's encoded form: sessions that have one now."""
    # The table has no list of its members: its own mapping is the only one there is.
    keys = list(table._members)
    for start in range(0, len(keys), 5000):
        lookup_answer(table.lookup(keys[start : start + 5000], 0))
    del keys
    return table.sessions


def _collection_s() -> float:
    started = time.perf_counter()
    gc.collect()
    return time.perf_counter() - started


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
