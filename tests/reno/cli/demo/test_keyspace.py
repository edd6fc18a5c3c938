"""The demo's processes find the caller's Cassandra, wherever the caller says it is."""

from pathlib import Path

import pytest

from reno.cli.demo.keyspace import where_of
from reno.config.cassandra_settings import CassandraSettings
from reno.config.loading import load


def test_settings_go_on_as_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = CassandraSettings.model_validate(
        {
            "contact_points": ("a:9042", "b:9042"),
            "keyspace": "mine",
            "user": "reno",
            "password": "secret",
            "ca_file": "ca.pem",
            "verify_address": False,
            "request_timeout_s": 7.5,
        }
    )
    for name, value in where_of(given).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    known = load().inbox
    found = {name: getattr(known, name) for name in CassandraSettings.model_fields}
    assert found == {**given.__dict__, "ca_file": tmp_path / "ca.pem"}
