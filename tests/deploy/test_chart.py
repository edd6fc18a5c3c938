"""deploy/helm/reno with several sets of values: Kubernetes would take it, and RENO would start with what it is told."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.figures import value
from reno.adapters.nats_permissions import render_accounts
from reno.catalogue.catalogue import load as load_catalogue
from reno.domain.priority import LANES, Priority
from reno.domain.shard_set import SHARED
from tests.deploy.chart import (
    CHART,
    KUBERNETES,
    SETS,
    Container,
    chosen,
    containers,
    helm,
    kubeconform,
    objects,
    rendered,
)
from tests.deploy.environment import drain_s, settings_of
from tests.deploy.services import port_of

# The first build of kubeconform may take minutes.
pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("values", SETS)]


EMPTY_GATEWAY_MIB = 90
"""Of a process that nobody is connected to."""


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


def test_every_lane_has_processors_that_share_its_shards(
    values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = []
    for one in serving(values):
        if one.spec["args"][1] == "processor":
            lanes.append(Priority[one.spec["args"][3].upper()])
            assert settings_of(one.variables, monkeypatch).processor.shards == SHARED, one.name
    assert sorted(lanes) == sorted(LANES)


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


def test_a_catalogue_that_is_given_is_one(values: str, tmp_path: Path) -> None:
    for one in objects(values, "ConfigMap"):
        if text := one["data"].get("catalogue.toml"):
            (tmp_path / "catalogue.toml").write_text(text, "utf-8")
            assert "rating.changed" in load_catalogue(tmp_path / "catalogue.toml")


def test_passwords_are_only_where_they_are_used(values: str) -> None:
    users = {"inbox": {"gateway", "processor", "schema"}, "log": {"ingestion", "processor"}}
    for one in containers(values):
        role = one.name.removeprefix("reno-").partition("-")[0]
        given = [v["name"] for v in one.spec["env"] if "secretKeyRef" in v.get("valueFrom", {})]
        for name in given:
            assert role in users[name.removeprefix("RENO_").partition("__")[0].lower()], one.name


def test_a_presence_replica_is_ready_when_it_knows(
    values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = [one for one in serving(values) if one.spec["args"][1] == "presence"]
    presence = settings_of(one.variables, monkeypatch).presence
    after_s = one.spec["readinessProbe"]["initialDelaySeconds"]
    assert after_s > presence.lease_s + presence.resolve_s


def test_pods_of_a_kind_keep_apart(values: str) -> None:
    for one in objects(values, "Deployment"):
        own = one["spec"]["selector"]["matchLabels"]
        for rule in one["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert rule["labelSelector"]["matchLabels"] == own


def test_a_lost_node_is_not_waited_for(values: str) -> None:
    for one in objects(values, "Deployment"):
        spec = one["spec"]["template"]["spec"]
        waits = {
            t["key"]: t["tolerationSeconds"]
            for t in spec["tolerations"]
            if "tolerationSeconds" in t
        }
        assert waits == {f"node.kubernetes.io/{lost}": 30 for lost in ("unreachable", "not-ready")}


def test_an_idle_gateway_is_scaled_before_it_is_full(
    values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its CPU says nothing: what grows with sessions that do nothing is its memory."""
    [pod] = [one for one in serving(values) if one.name == "reno-gateway"]
    most = settings_of(pod.variables, monkeypatch).gateway.max_sessions
    resources = pod.spec["resources"]
    requested = mebibytes(resources["requests"]["memory"])
    full = EMPTY_GATEWAY_MIB + most * value("stream_bytes") / (1 << 20)
    assert mebibytes(resources["limits"]["memory"]) > 1.5 * full
    for one in objects(values, "HorizontalPodAutoscaler"):
        if one["metadata"]["name"] == pod.name:
            [memory] = [
                metric["resource"]["target"]["averageUtilization"]
                for metric in one["spec"]["metrics"]
                if metric["resource"]["name"] == "memory"
            ]
            assert EMPTY_GATEWAY_MIB * 2 < requested * memory / 100 < 0.9 * full


def mebibytes(text: str) -> float:
    return float(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def test_the_world_reaches_devices_only(values: str) -> None:
    for one in objects(values, "Service"):
        if one["spec"].get("type", "ClusterIP") != "ClusterIP":
            assert [port["port"] for port in one["spec"]["ports"]] == [7401]
    for one in objects(values, "NetworkPolicy"):
        for rule in one["spec"]["ingress"]:
            if not rule.get("from"):
                assert rule["ports"] == [{"port": 7401}], one["metadata"]["name"]


def test_envoy_has_the_workers_that_are_set(values: str) -> None:
    for one in containers(values):
        if one.name == "reno-envoy":
            assert "--concurrency $RENO_MESH__WORKERS" in one.spec["command"][-1]
            assert one.variables["RENO_MESH__WORKERS"]


def test_helm_finds_nothing_wrong(values: str) -> None:
    run = helm("lint", "--strict", str(CHART), "--kube-version", KUBERNETES, *chosen(values))
    assert run.returncode == 0, run.stdout
