"""The numbered changes, and what a keyspace may say of them."""

import pytest

from reno.adapters.cassandra_schema import (
    Change,
    State,
    changes,
    keyspace_statement,
    parse_change,
    steps,
)
from reno.config.cassandra_settings import CassandraSettings
from reno.errors import WrongState

FIRST, SECOND = parse_change("0001_a.cql", "CREATE a;"), parse_change("0002_b.cql", "CREATE b;")


def test_what_is_shipped_is_numbered_from_1_without_holes() -> None:
    assert [change.version for change in changes()] == list(range(1, len(changes()) + 1))
    assert all(" IF NOT EXISTS " in one for change in changes() for one in change.statements)


def test_comments_and_blanks_do_not_count() -> None:
    change = parse_change("0007_x.cql", "-- why\nCREATE x (\n  a int,  -- a\n)  ;\n\n CREATE y;\n")
    assert (change.version, change.statements) == (
        7,
        ["CREATE x (\n  a int,\n)", "CREATE y"],
    )
    assert (
        change.checksum == parse_change("0007_x.cql", "CREATE x (\n  a int,\n);CREATE y;").checksum
    )


def states(*applied: Change) -> list[State]:
    known = {change.version: change.checksum for change in applied}
    return [step.state for step in steps([FIRST, SECOND], known)]


def test_what_is_not_applied_is_pending() -> None:
    assert states() == [State.PENDING, State.PENDING]
    assert states(FIRST) == [State.APPLIED, State.PENDING]
    assert states(FIRST, SECOND) == [State.APPLIED, State.APPLIED]


def test_a_newer_keyspace_and_a_changed_file_are_refused() -> None:
    with pytest.raises(WrongState, match="version 3: a newer RENO"):
        states(parse_change("0003_c.cql", "CREATE c;"))
    with pytest.raises(WrongState, match=r"0002_b\.cql was changed"):
        states(FIRST, parse_change("0002_b.cql", "CREATE c;"))


def test_the_keyspace_is_replicated_as_the_settings_say() -> None:
    settings = CassandraSettings(keyspace="k", local_dc="dc1", replication_factor=3)
    assert keyspace_statement(settings) == (
        "CREATE KEYSPACE IF NOT EXISTS k WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}"
    )
