"""The chart, rendered."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from tests.house.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "reno"
VALUES = ROOT / "tests" / "deploy" / "values"
KUBERNETES = "1.37.0"
GO_IS_MISSING = 69
"""What scripts/helm and scripts/kubeconform end with."""
SETS = ("default", *sorted(path.stem for path in VALUES.glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Container:
    """A RENO container of a rendered workload."""

    name: str
    pod: dict[str, Any]
    spec: dict[str, Any]
    variables: dict[str, str]


def helm(*args: str) -> "subprocess.CompletedProcess[str]":
    """Skips by name where it can neither be had nor built."""
    return _run("helm", *args)


def kubeconform(manifests: str) -> "subprocess.CompletedProcess[str]":
    """With Kubernetes' own schemas; KEDA's are not to be had from a registry."""
    return _run("kubeconform", "-strict", "-skip", "ScaledObject", "-", text=manifests)


@cache
def rendered(values: str) -> str:
    """What Kubernetes would be given."""
    run = helm("template", "reno", str(CHART), "--kube-version", KUBERNETES, *chosen(values))
    assert run.returncode == 0, run.stderr
    return run.stdout


def chosen(values: str) -> list[str]:
    """Helm's arguments for a set of values."""
    return [] if values == "default" else ["--values", str(VALUES / f"{values}.yaml")]


def objects(values: str, *kinds: str) -> list[dict[str, Any]]:
    """All of them, or those of the kinds."""
    return [one for one in _parsed(values) if not kinds or one["kind"] in kinds]


def containers(values: str) -> Iterator[Container]:
    """Of every workload, with the variables that it gets, as far as they are known here."""
    maps = {one["metadata"]["name"]: one["data"] for one in objects(values, "ConfigMap")}
    known = {"$(POD_NAME)": "reno-gateway-x", "$(POD_IP)": "10.0.0.1"}
    for one in objects(values, "Deployment", "StatefulSet", "Job"):
        pod = one["spec"]["template"]["spec"]
        for spec in pod["containers"]:
            variables: dict[str, str] = {}
            for source in spec.get("envFrom", []):
                variables |= maps[source["configMapRef"]["name"]]
            for variable in spec.get("env", []):
                value = variable.get("value", "from a secret")
                for name, stands in known.items():
                    value = value.replace(name, stands)
                variables[variable["name"]] = value
            yield Container(one["metadata"]["name"], pod, spec, variables)


@cache
def _parsed(values: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(values)) if one]


def _run(script: str, *args: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    run = subprocess.run(
        [ROOT / "scripts" / script, *args], input=text, capture_output=True, text=True, check=False
    )
    if run.returncode == GO_IS_MISSING:
        pytest.skip(run.stderr)
    return run
