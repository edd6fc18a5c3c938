"""What `reno lane reshard` refuses before it changes anything; what it does is shown by tests/e2e/test_reshard.py."""

import pytest
from typer.testing import CliRunner

from reno.cli.main import app
from tests.servers.nats import free_port


def reshard(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["lane", "reshard", *arguments])
    return result.exit_code, result.output


def test_an_embedded_inbox_keeps_its_shards() -> None:
    code, said = reshard("high", "--shards", "6")
    assert code == 1
    assert "inbox.engine is embedded" in said
    assert "docs/moving.md" in said


@pytest.mark.parametrize(
    "arguments", [("urgent", "--shards", "6"), ("high", "--shards", "0"), ("high",)]
)
def test_what_is_no_lane_or_no_number_is_refused(arguments: tuple[str, ...]) -> None:
    assert reshard(*arguments)[0] == 2


def test_without_a_log_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reno.telemetry.logs.start_logging", lambda *_settings: None)
    monkeypatch.setenv("RENO_INBOX__ENGINE", "cassandra")
    monkeypatch.setenv("RENO_LOG__SERVERS", f'["nats://127.0.0.1:{free_port()}"]')
    code, said = reshard("high", "--shards", "6", "--patience", "1")
    assert code == 69
    assert "the log does not answer" in said
