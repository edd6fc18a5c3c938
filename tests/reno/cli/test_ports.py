import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.cli.fault import Fault
from reno.cli.ports import OFFSETS, SPAN, is_free, pick_free, plan_ports, require_free
from reno.config.loading import load
from reno.config.settings import Settings
from reno.domain.priority import LANES


@given(st.integers(1, 65_536 - SPAN))
def test_ports_are_distinct_and_within_the_span(base: int) -> None:
    ports = plan_ports(base).as_dict()
    assert len(set(ports.values())) == len(OFFSETS)
    assert all(base <= port < base + SPAN <= 65_536 for port in ports.values())


@given(st.integers().filter(lambda base: not 1 <= base <= 65_536 - SPAN))
def test_a_base_that_does_not_fit_is_refused(base: int) -> None:
    with pytest.raises(Fault, match="base"):
        plan_ports(base)


def test_the_default_plan_is_what_the_settings_say_by_default() -> None:
    settings = Settings()
    plan = plan_ports(7400)
    assert settings.ingestion.listen == plan.address("ingestion")
    assert settings.gateway.listen == plan.address("devices")
    assert settings.presence.listen == plan.address("presence")
    assert settings.gateway.listen_internal == plan.address("deliver")
    assert settings.presence.replicas == (plan.address("presence-internal"),)
    assert settings.log.servers == (f"nats://{plan.address('nats')}",)
    assert settings.log.monitor_url == f"http://{plan.address('nats-monitor')}"
    for lane in LANES:
        assert settings.inbox.address(lane) == plan.address(f"inbox-{lane.word}")


def test_environment_and_overrides_give_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_ports(12_300)
    by_overrides = load(plan.overrides())
    for name, value in plan.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == by_overrides
    assert by_overrides.ingestion.listen == "127.0.0.1:12300"


def test_a_taken_port_is_named_with_what_wanted_it() -> None:
    plan = pick_free()
    require_free(plan)
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan["devices"]))
        other.listen()
        assert not is_free(plan["devices"])
        with pytest.raises(Fault, match=rf"port {plan['devices']} is taken; devices wants"):
            require_free(plan)
    require_free(plan)
