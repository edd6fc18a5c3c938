"""`reno up --inbox cassandra` whose high lane's processors share its shards, and one more of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reno.config.cassandra_settings import CassandraSettings
from reno.domain.priority import Priority
from tests.e2e.history import History
from tests.e2e.lane_types import CATALOGUE
from tests.e2e.many import Member, address
from tests.e2e.running import RunningReno, end_reno, start_reno
from tests.e2e.traffic import Listener


def sharing_environment(
    directory: Path, cassandra: CassandraSettings, keyspace: str, shards: int
) -> dict[str, str]:
    """For `reno up` and for every process and command beside it. A keyspace knows how many shards its lanes have."""
    catalogue = directory / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    return {
        "RENO_CATALOGUE": str(catalogue),
        "RENO_INBOX__CONTACT_POINTS": json.dumps(cassandra.contact_points),
        "RENO_INBOX__REQUEST_TIMEOUT_S": "5",
        "RENO_INBOX__KEYSPACE": keyspace,
        "RENO_LANES__HIGH__SHARDS": str(shards),
        "RENO_PROCESSOR__SHARDS": "shared",
        # On a busy machine a role may be silent; here only the test kills.
        "RENO_SUPERVISOR__SILENT_AFTER_S": "120",
    }


@contextmanager
def sharing_reno(data_dir: Path, environment: Mapping[str, str]) -> Iterator[RunningReno]:
    """Ended, and not drained: its log may be in the middle of anything."""
    running = start_reno(data_dir, "--inbox", "cassandra", environment=environment)
    try:
        yield running
    finally:
        end_reno(running)


def joining_processor(directory: Path, name: str, known: Mapping[str, str]) -> Member:
    """One more of the high lane, not started yet; `known`: the environment with where everything is."""
    place = address()
    own = {"RENO_PROCESSOR__LISTEN_INTERNAL": place, "RENO_DATA_DIR": str(directory / name)}
    return Member(
        name,
        ["processor", "--priority", "high"],
        {**known, "RENO_INBOX__ENGINE": "cassandra", **own},
        (place, "reno.v1.InboxService"),
        directory / f"{name}.log",
    )


def all_have_news(history: History, listeners: Mapping[str, Listener], since: int) -> bool:
    """Every member's device got something of the lane that was accepted after the first `since` receipts."""
    news: dict[str, set[str]] = {member: set() for member in listeners}
    for receipt in history.receipts[since:]:
        if receipt.priority == Priority.HIGH:
            news[receipt.member].add(receipt.event_id)
    return all(
        any(one.event_id in news[member] for one in listener.seen)
        for member, listener in listeners.items()
    )


def shared_out(logs: Sequence[Path]) -> list[str]:
    """What each processor said last of its share; empty where it said nothing."""
    found = []
    for log in logs:
        lines = [line for line in log.read_text().splitlines() if '"shards shared out"' in line]
        found.append(json.loads(lines[-1])["mine"] if lines else "")
    return found
