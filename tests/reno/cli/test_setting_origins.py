import json

from hypothesis import given
from hypothesis import strategies as st

from reno.cli.setting_origins import origins
from reno.config.settings import Settings

SETTINGS = Settings().model_dump(mode="json")
NAMES = [row.name for row in origins(SETTINGS, {}, "", "")]
NESTED = [name for name in NAMES if "." in name]


def variable(name: str) -> str:
    return f"RENO_{name.replace('.', '__')}".upper()


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NESTED)), st.booleans())
def test_environment_over_file_over_default(
    in_environment: set[str], in_file: set[str], lower: bool
) -> None:
    environment = {
        variable(name).lower() if lower else variable(name): "1" for name in in_environment
    }
    text = "\n".join(f"{name} = 1" for name in sorted(in_file))
    for row in origins(SETTINGS, environment, text, "reno.toml"):
        if row.name in in_environment:
            expected = variable(row.name).lower() if lower else variable(row.name)
            assert row.origin == expected
        else:
            assert row.origin == ("reno.toml" if row.name in in_file else "default")


def test_a_whole_section_may_come_from_one_variable() -> None:
    rows = origins(SETTINGS, {"RENO_LOG": json.dumps({"shards": 8})}, "", "")
    found = {row.name: row.origin for row in rows}
    assert found["log.shards"] == "RENO_LOG"
    assert found["log.replicas"] == "default"


def test_every_setting_has_a_row() -> None:
    assert "data_dir" in NAMES
    assert "supervisor.silent_after_s" in NAMES
