import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.cli.fault import Fault
from reno.cli.ports import (
    MAX_GATEWAYS,
    OFFSETS,
    SPAN,
    is_free,
    pick_free,
    plan_of,
    plan_ports,
    require_free,
)
from reno.config.loading import load
from reno.config.mesh_settings import MeshSettings
from reno.config.settings import Settings
from reno.domain.priority import LANES

plans = st.just((False, 1)) | st.tuples(st.just(True), st.integers(1, MAX_GATEWAYS))


@given(st.integers(1, 65_536 - SPAN), plans)
def test_ports_are_distinct_and_within_the_span(base: int, plan: tuple[bool, int]) -> None:
    mesh, gateways = plan
    ports = plan_ports(base, mesh=mesh, gateways=gateways).as_dict()
    # Envoy's admin, two doors behind it, and of each gateway; the first one's deliver port is there anyhow.
    assert len(set(ports.values())) == len(OFFSETS) + mesh * (3 + 2 * gateways - 1)
    assert all(base <= port < base + SPAN <= 65_536 for port in ports.values())
    assert {name: ports[name] for name in OFFSETS} == plan_ports(base).as_dict()


@given(st.integers(1, 65_536 - SPAN), plans)
def test_a_plan_is_found_again_by_what_up_wrote(base: int, plan: tuple[bool, int]) -> None:
    mesh, gateways = plan
    state = {"base": base, "mesh": mesh, "gateways": gateways}
    assert plan_of(state) == plan_ports(base, mesh=mesh, gateways=gateways)
    assert plan_of({"base": base}) == plan_ports(base)


def test_several_gateways_need_something_in_front() -> None:
    with pytest.raises(Fault, match="--mesh"):
        plan_ports(7400, gateways=2)
    with pytest.raises(Fault, match="--gateways 9"):
        plan_ports(7400, mesh=True, gateways=9)


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
    assert settings.log.monitor_urls == (f"http://{plan.address('nats-monitor')}",)
    for lane in LANES:
        assert settings.inbox.address(lane) == plan.address(f"inbox-{lane.word}")


def test_the_default_plan_with_the_mesh_is_what_its_settings_say_by_default() -> None:
    plan = plan_ports(7400, mesh=True)
    assert MeshSettings.model_validate(plan.overrides()["mesh"]) == MeshSettings()


def test_the_doors_behind_the_mesh_are_where_it_passes_calls_on_to() -> None:
    plan = plan_ports(12_300, mesh=True, gateways=3)
    settings = load(plan.overrides())
    assert settings.mesh.ingestion == (settings.ingestion.listen,)
    assert settings.mesh.presence == (settings.presence.listen,)
    gateways = [plan.gateway(number) for number in range(3)]
    assert settings.mesh.gateways == tuple(one["listen"] for one in gateways)
    assert settings.gateway.listen == gateways[0]["listen"]
    assert len({one["advertise"] for one in gateways}) == 3


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
