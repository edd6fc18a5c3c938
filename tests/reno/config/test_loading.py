"""Where settings come from, which wins, and that nothing unknown slips through."""

import os
from pathlib import Path

import pytest

from reno.config.loading import ConfigError, config_file, load
from reno.config.settings import Settings
from reno.domain.priority import Priority


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("RENO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "reno.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_stand() -> None:
    assert config_file() is None
    assert load() == Settings()


def test_the_environment_over_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_DATA_DIR", "elsewhere")
    monkeypatch.setenv("RENO_LOG__SERVERS", '["nats://a:1", "nats://b:2"]')
    monkeypatch.setenv("RENO_GATEWAY__MAX_SESSIONS", "7")
    settings = load()
    assert settings.data_dir == Path("elsewhere")
    assert settings.log.servers == ("nats://a:1", "nats://b:2")
    assert settings.gateway.max_sessions == 7
    assert settings.gateway.listen == Settings().gateway.listen


def test_the_file_over_a_default() -> None:
    write('[log]\nshards = 32\n[presence]\nreplicas = ["a:1", "b:2"]\n')
    settings = load()
    assert settings.log.shards == 32
    assert settings.presence.replicas == ("a:1", "b:2")
    assert settings.log.publish_timeout_s == Settings().log.publish_timeout_s


def test_overrides_win_over_the_environment_which_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("[log]\nshards = 2\nreplicas = 3\n[ingestion]\ndeadline_s = 2.5\n")
    monkeypatch.setenv("RENO_LOG__SHARDS", "8")
    monkeypatch.setenv("RENO_INGESTION__RETRY_AFTER_S", "9")
    settings = load({"ingestion": {"retry_after_s": 4.0}})
    assert (settings.log.shards, settings.log.replicas) == (8, 3)
    assert (settings.ingestion.retry_after_s, settings.ingestion.deadline_s) == (4.0, 2.5)


def test_a_named_file_is_read_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[log]\nshards = 2\n")
    monkeypatch.setenv("RENO_CONFIG", str(write("[log]\nshards = 5\n", "other.toml")))
    assert load().log.shards == 5


def test_a_named_file_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"RENO_CONFIG: no file nowhere\.toml"):
        load()


@pytest.mark.parametrize(
    "name", ["RENO_COLOUR", "RENO_LOG__COLOUR", "RENO_LOG__SHARDS__MORE", "RENO_LOG_SHARDS"]
)
def test_unknown_keys_of_the_environment_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=f"^{name}: no such setting$"):
        load()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1\n", "colour"),
        ("[log]\ncolour = 1\n", "log.colour"),
        ("[colour]\nshade = 1\n", "colour"),
    ],
)
def test_unknown_keys_of_the_file_are_refused_by_name(text: str, key: str) -> None:
    write(text)
    with pytest.raises(ConfigError, match=f"^{key}: no such setting$"):
        load()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[log]\nshards = 0\n", "log.shards"),
        ('[gateway]\nlisten = "nowhere"\n', "gateway.listen"),
        ('[gateway]\nlisten = "127.0.0.1:65536"\n', "gateway.listen"),
        ('[gateway]\nlisten = "a b:1"\n', "gateway.listen"),
        ('[presence]\nreplicas = ["a:1", "b"]\n', "presence.replicas.1"),
        ("[ingestion]\nmax_envelope_events = 4096\n", "ingestion.max_envelope_events"),
        ('[processor]\npriority = "urgent"\n', "processor.priority"),
    ],
)
def test_a_wrong_value_is_refused_by_name(text: str, key: str) -> None:
    write(text)
    with pytest.raises(ConfigError, match=f"^{key}: "):
        load()


def test_shards_are_shared_only_where_the_inbox_is() -> None:
    write('[processor]\nshards = "shared"\n[inbox]\nengine = "cassandra"\n')
    assert load().processor.shards == "shared"
    for engine in ("embedded", "moving"):
        with pytest.raises(ConfigError, match=r"^processor\.shards: shared needs inbox\.engine"):
            load({"inbox": {"engine": engine}})


def test_a_file_that_is_no_toml_is_refused() -> None:
    write("[log\n")
    with pytest.raises(ConfigError, match=r"^reno\.toml: "):
        load()


def test_a_file_that_is_not_utf8_is_refused() -> None:
    Path("reno.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"^reno\.toml: .*utf-8"):
        load()


def test_an_environment_value_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENO_LOG__SERVERS", "nats://a:1")
    with pytest.raises(ConfigError):
        load()


def test_every_lane_has_its_own_limits_and_addresses() -> None:
    settings = Settings()
    assert len({settings.log.max_bytes(lane) for lane in Priority}) == 3
    assert len({settings.inbox.address(lane) for lane in Priority}) == 3
