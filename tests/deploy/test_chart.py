"""deploy/helm/reno with several sets of values: Kubernetes would take it, and RENO would start with what it is told."""

import re
from typing import Any

import pytest

from reno.adapters.nats_permissions import render_accounts
from reno.catalogue.catalogue import load as load_catalogue
from reno.domain.priority import LANES, Priority
from reno.domain.shard_set import parse_shards
from tests.deploy.chart import (
    CHART,
    SETS,
    Container,
    containers,
    helm,
    kubeconform,
    objects,
    rendered,
)
from tests.deploy.environment import drain_s, settings_of
from tests.deploy.services import port_of

# The first build of Helm takes minutes.
pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("values", SETS)]


def serving(values: str) -> list[Container]:
    return [one for one in containers(values) if one.spec.get("args", [""])[0] == "serve"]


def test_kubernetes_would_take_it(values: str) -> None:
    run = kubeconform(rendered(values))
    assert run.returncode == 0, run.stdout


def test_nothing_is_called_alike(values: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in objects(values)]
    assert len(names) == len(set(names))


def test_every_setting_is_one_that_reno_knows(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in containers(values):
        settings_of(one.variables, monkeypatch)


def test_kubernetes_adds_no_setting(values: str) -> None:
    assert [one.name for one in containers(values) if one.pod["enableServiceLinks"]] == []


def test_health_is_asked_where_it_is_answered(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving(values)
    for one in serving(values):
        settings = settings_of(one.variables, monkeypatch)
        ready = one.spec["readinessProbe"]["grpc"]
        assert ready["port"] == port_of(ready["service"], settings), one.name
        for probe in ("startupProbe", "livenessProbe"):
            assert one.spec[probe]["grpc"] == {"port": ready["port"]}, one.name
        assert ready["port"] in {port["containerPort"] for port in one.spec["ports"]}


def test_a_drain_fits_into_its_grace(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in serving(values):
        before = one.spec["lifecycle"]["preStop"]["sleep"]["seconds"]
        took = drain_s(settings_of(one.variables, monkeypatch))
        assert one.pod["terminationGracePeriodSeconds"] > before + took, one.name


def test_every_shard_has_one_processor(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owned: dict[Priority, list[int]] = {lane: [] for lane in LANES}
    shards = {}
    for one in serving(values):
        if one.spec["args"][1] == "processor":
            lane = Priority[one.spec["args"][3].upper()]
            settings = settings_of(one.variables, monkeypatch)
            shards[lane] = settings.for_lane(lane).log.shards
            has = parse_shards(settings.processor.shards).numbers
            owned[lane] += range(shards[lane]) if has is None else has
    for lane in LANES:
        assert sorted(owned[lane]) == list(range(shards[lane])), lane


def test_who_knows_the_log_is_a_user_of_it(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = set(re.findall(r'user: "([^"]+)"', render_accounts()))
    for one in serving(values):
        user = settings_of(one.variables, monkeypatch).log.user
        assert user is None or user in made, one.name
        assert (user is None) == ("RENO_LOG__PASSWORD" not in one.variables), one.name


def test_selectors_find_their_pods(values: str) -> None:
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in objects(values, "Deployment", "StatefulSet")
    ]
    selecting = objects(values, "Deployment", "StatefulSet", "PodDisruptionBudget", "Service")
    for one in selecting:
        selector = one["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        assert any(wanted <= own.items() for own in labels), one["metadata"]["name"]


def test_every_pod_is_in_one_disruption_budget(values: str) -> None:
    budgets = [
        one["spec"]["selector"]["matchLabels"].items()
        for one in objects(values, "PodDisruptionBudget")
    ]
    for one in objects(values, "Deployment", "StatefulSet"):
        own = one["spec"]["template"]["metadata"]["labels"].items()
        assert sum(wanted <= own for wanted in budgets) == 1, one["metadata"]["name"]


def test_scaling_goes_up_faster_than_down(values: str) -> None:
    scaled = [
        (one["spec"]["scaleTargetRef"]["name"], behaviour_of(one))
        for one in objects(values, "HorizontalPodAutoscaler", "ScaledObject")
    ]
    replicated = {one["metadata"]["name"]: one["spec"] for one in objects(values, "Deployment")}
    for target, behaviour in scaled:
        up, down = behaviour["scaleUp"], behaviour["scaleDown"]
        assert up["stabilizationWindowSeconds"] < down["stabilizationWindowSeconds"]
        assert pace(up) > pace(down)
        assert "replicas" not in replicated[target], "an upgrade would undo the scaling"


def behaviour_of(one: dict[str, Any]) -> dict[str, Any]:
    spec = one["spec"]
    if one["kind"] == "ScaledObject":
        spec = spec["advanced"]["horizontalPodAutoscalerConfig"]
    found: dict[str, Any] = spec["behavior"]
    return found


def pace(rules: dict[str, Any]) -> float:
    """Of ten pods, a second."""
    shares: dict[str, float] = {"Percent": 0.1, "Pods": 1.0}
    return max(
        float(rule["value"]) * shares[rule["type"]] / float(rule["periodSeconds"])
        for rule in rules["policies"]
    )


def test_a_catalogue_that_is_given_is_one(values: str) -> None:
    for one in objects(values, "ConfigMap"):
        if text := one["data"].get("catalogue.toml"):
            assert "rating.changed" in text


def test_helm_finds_nothing_wrong(values: str) -> None:
    run = helm("lint", str(CHART), "--kube-version", "1.37.0")
    assert run.returncode == 0, run.stdout
    assert load_catalogue(None)
