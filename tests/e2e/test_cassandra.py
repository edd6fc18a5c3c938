"""The commands that go with Cassandra; what runs over it is in test_sharing.py."""

import json
from pathlib import Path

import pytest

from reno.config.cassandra_settings import CassandraSettings
from tests.e2e.running import reno_command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CHANGES = ["0001_inbox.cql", "0002_moves.cql"]


@pytest.fixture
def environment(cassandra: CassandraSettings) -> dict[str, str]:
    return {
        "RENO_INBOX__CONTACT_POINTS": json.dumps(cassandra.contact_points),
        "RENO_INBOX__KEYSPACE": "schema_test",
    }


def test_the_schema_is_applied_once_and_said(environment: dict[str, str]) -> None:
    code, said = reno_command(environment, "schema", "status")
    assert (code, said) == (1, "".join(f"pending  {name}\n" for name in CHANGES))
    code, said = reno_command(environment, "doctor", "--json")
    (check,) = [one for one in map(json.loads, said.splitlines()) if one["name"] == "cassandra"]
    assert (code, check["health"], check["advice"]) == (1, "fail", "reno schema apply")
    assert reno_command(environment, "schema", "apply") == (
        0,
        "".join(f"applied {name}\n" for name in CHANGES),
    )
    assert reno_command(environment, "schema", "apply") == (
        0,
        "keyspace schema_test is up to date\n",
    )
    code, said = reno_command(environment, "schema", "status", "--json")
    applied = [{"change": name, "state": "applied"} for name in CHANGES]
    assert (code, [json.loads(line) for line in said.splitlines()]) == (0, applied)


def test_no_cassandra_is_said_without_a_traceback(tmp_path: Path) -> None:
    nowhere = {"RENO_INBOX__CONTACT_POINTS": '["127.0.0.1:1"]'}
    for arguments in (("schema", "apply"), ("up", "--ports", "0", "--data", str(tmp_path / "d"))):
        code, said = reno_command(nowhere, *arguments)
        assert (code, said) == (69, "reno: no Cassandra answers at 127.0.0.1:1\n")
