"""What Envoy is told: each decision by itself, and the real Envoy accepts the whole."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reno.adapters.envoy_cluster import HTTP_OPTIONS
from reno.adapters.envoy_config import bootstrap
from reno.adapters.envoy_cors import CORS_FILTER
from reno.adapters.envoy_server import binary, command
from reno.config.mesh_settings import MeshSettings
from reno.config.settings import ServerSettings, Settings

ports = st.integers(1, 65_535)
numbers = st.builds("{}:{}".format, st.ip_addresses(v=4), ports)
names = st.builds(
    "{}:{}".format, st.sampled_from(["gateways", "gw.reno.svc.cluster.local", "a-b.example"]), ports
)
addresses = st.lists(numbers | names, min_size=1, max_size=4).map(tuple)
counts = st.integers(1, 1_000_000)
meshes = st.builds(
    MeshSettings,
    listen_ingestion=st.just("0.0.0.0:7400"),
    listen_devices=st.sampled_from(["127.0.0.1:7401", "0.0.0.0:443"]),
    admin_port=ports,
    ingestion=addresses,
    gateways=addresses,
    presence=addresses,
    allowed_origins=st.lists(
        st.sampled_from(["https://a.example", "http://127.0.0.1:8080"]), max_size=2
    ).map(tuple),
    access_log=st.sampled_from(["all", "faults", "off"]),
    max_streams_per_connection=counts,
    max_streams=counts,
    max_connections=counts,
    stream_window_bytes=st.integers(65_535, 16 << 20),
    connect_timeout_s=st.floats(0.01, 1000),
)
ROLES = {
    "ingestion": "reno.v1.IngestionService",
    "devices": "reno.v1.NotificationService",
    "presence": "reno.v1.PresenceService",
}


def with_mesh(**changes: Any) -> dict[str, Any]:
    return bootstrap(Settings(mesh=MeshSettings(**changes)))


def clusters(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in config["static_resources"]["clusters"]}


def managers(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        one["name"]: one["filter_chains"][0]["filters"][0]["typed_config"]
        for one in config["static_resources"]["listeners"]
    }


def routes(manager: dict[str, Any]) -> list[dict[str, Any]]:
    (host,) = manager["route_config"]["virtual_hosts"]
    found: list[dict[str, Any]] = host["routes"]
    return found


def http2(cluster: dict[str, Any]) -> dict[str, Any]:
    options = cluster["typed_extension_protocol_options"][HTTP_OPTIONS]
    found: dict[str, Any] = options["explicit_http_config"]["http2_protocol_options"]
    return found


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


@given(meshes)
def test_every_door_is_where_the_settings_say(mesh: MeshSettings) -> None:
    found = clusters(bootstrap(Settings(mesh=mesh)))
    wanted = {"ingestion": mesh.ingestion, "devices": mesh.gateways, "presence": mesh.presence}
    assert found.keys() == wanted.keys()
    for role, cluster in found.items():
        places = [
            one["endpoint"]["address"]["socket_address"]
            for one in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        ]
        assert [f"{at['address']}:{at['port_value']}" for at in places] == list(wanted[role])
        has_names = any(
            not place.replace(".", "").replace(":", "").isdigit() for place in wanted[role]
        )
        assert cluster["type"] == ("STRICT_DNS" if has_names else "STATIC")
        assert cluster["health_checks"][0]["grpc_health_check"]["service_name"] == ROLES[role]


@given(meshes, st.integers(1, 20_000))
def test_nobody_who_does_not_read_holds_up_the_connection(
    mesh: MeshSettings, door_streams: int
) -> None:
    """Isolated: the connection's window has room for all its streams, and the door takes as many."""
    server = ServerSettings(max_concurrent_streams=door_streams)
    for cluster in clusters(bootstrap(Settings(mesh=mesh, server=server))).values():
        options = http2(cluster)
        streams = options["max_concurrent_streams"]
        assert streams <= min(door_streams, mesh.max_streams_per_connection)
        wanted = streams * options["initial_stream_window_size"]
        assert options["initial_connection_window_size"] == min(wanted, 2**31 - 1)


@given(meshes)
def test_streams_are_counted_by_our_limits_and_never_timed(mesh: MeshSettings) -> None:
    """Bounded."""
    config = bootstrap(Settings(mesh=mesh))
    for cluster in clusters(config).values():
        (limits,) = cluster["circuit_breakers"]["thresholds"]
        assert limits["max_requests"] == mesh.max_streams
        assert limits["max_pending_requests"] == limits["max_retries"] == mesh.max_waiting
    for manager in managers(config).values():
        assert all(route["route"]["timeout"] == "0.000s" for route in routes(manager))
        assert manager["request_timeout"] == "0.000s"
        assert float(manager["stream_idle_timeout"].rstrip("s")) > 0
        assert manager["http2_protocol_options"]["connection_keepalive"]
    (monitor,) = config["overload_manager"]["resource_monitors"]
    assert monitor["typed_config"]["max_active_downstream_connections"] == mesh.max_connections


def test_a_devices_stream_may_be_silent_for_longer_than_its_checkpoints() -> None:
    settings = Settings()
    idle = managers(bootstrap(settings))["devices"]["stream_idle_timeout"]
    assert float(idle.rstrip("s")) > 2 * settings.gateway.checkpoint_interval_s


def test_only_devices_stay_with_a_door_and_by_member_and_device() -> None:
    config = with_mesh()
    policies = {name: one["lb_policy"] for name, one in clusters(config).items()}
    assert policies == {
        "ingestion": "ROUND_ROBIN",
        "devices": "RING_HASH",
        "presence": "ROUND_ROBIN",
    }
    for name, manager in managers(config).items():
        hashed = [
            [policy["header"]["header_name"] for policy in route["route"].get("hash_policy", [])]
            for route in routes(manager)
        ]
        assert hashed == [["reno-member", "reno-device"] if name == "devices" else []] * 3


def test_the_ring_has_points_enough_for_hundreds_of_gateways() -> None:
    """Between them a few points each would differ by multiples."""
    found = clusters(with_mesh())
    assert found["devices"]["ring_hash_lb_config"]["minimum_ring_size"] >= 100 * 500
    assert "ring_hash_lb_config" not in found["ingestion"]


def test_a_port_serves_its_service_and_no_other() -> None:
    for name, manager in managers(with_mesh()).items():
        prefixes = {
            route["match"]["prefix"]: route["route"]["cluster"] for route in routes(manager)
        }
        assert prefixes == {
            f"/{ROLES[name]}/": name,
            "/grpc.health.": name,
            "/grpc.reflection.": name,
        }


def test_a_doors_honest_refusal_never_ejects_it() -> None:
    for cluster in clusters(with_mesh()).values():
        outliers = cluster["outlier_detection"]
        enforced = {key for key, value in outliers.items() if key.startswith("enforcing") and value}
        assert enforced == {"enforcing_consecutive_local_origin_failure"}
        assert outliers["split_external_local_origin_errors"]


def test_only_what_no_door_has_seen_is_tried_again() -> None:
    """Once."""
    for manager in managers(with_mesh()).values():
        for route in routes(manager):
            retried = set(route["route"]["retry_policy"]["retry_on"].split(","))
            assert retried == {"connect-failure", "refused-stream", "reset-before-request"}


def test_browsers_come_by_the_devices_port_and_from_listed_pages_only() -> None:
    config = with_mesh(allowed_origins=("https://tv.example",))
    filters = {
        name: [one["name"] for one in manager["http_filters"]]
        for name, manager in managers(config).items()
    }
    router = "envoy.filters.http.router"
    assert filters == {
        "ingestion": [router],
        "devices": ["envoy.filters.http.grpc_web", CORS_FILTER, router],
        "presence": [router],
    }
    (host,) = managers(config)["devices"]["route_config"]["virtual_hosts"]
    policy = host["typed_per_filter_config"][CORS_FILTER]
    assert policy["allow_origin_string_match"] == [{"exact": "https://tv.example"}]
    assert policy["forward_not_matching_preflights"] is False
    assert {"reno-member", "reno-device", "reno-class"} <= set(policy["allow_headers"].split(","))


def test_the_log_names_no_caller() -> None:
    """Private."""
    lines = [
        log["typed_config"]["log_format"]["json_format"]
        for manager in managers(with_mesh(access_log="all")).values()
        for log in manager["access_log"]
    ]
    assert len(lines) == 3
    assert not [field for line in lines for field in line.values() if "RENO-" in field.upper()]
    assert [one["access_log"] for one in managers(with_mesh(access_log="off")).values()] == [[]] * 3


@given(meshes)
def test_the_admin_port_is_for_this_machine_alone(mesh: MeshSettings) -> None:
    admin = bootstrap(Settings(mesh=mesh))["admin"]["address"]["socket_address"]
    assert admin == {"address": "127.0.0.1", "port_value": mesh.admin_port}


@given(meshes)
def test_no_duration_is_written_as_a_number(mesh: MeshSettings) -> None:
    for node in nodes(bootstrap(Settings(mesh=mesh))):
        for key, value in node.items():
            if key.endswith(("timeout", "interval", "_time")):
                assert isinstance(value, str), key
                assert value.endswith("s"), key


async def accepted(directory: Path, config: dict[str, Any]) -> str:
    """What the real Envoy has against it; empty when it would start with it."""
    file = directory / "envoy.json"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        *command(file, 1), "--mode", "validate",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=dict(os.environ),
    )  # fmt: skip
    said, _ = await process.communicate()
    return "" if process.returncode == 0 else said.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "gateways": ("gateways.reno.svc:7401",),
            "ingestion": ("10.0.0.1:7400", "ingestion.reno.svc:7400"),
            "allowed_origins": ("https://tv.example", "http://127.0.0.1:8080"),
            "access_log": "all",
            "listen_devices": "0.0.0.0:7401",
        },
        {
            "max_streams_per_connection": 100_000,
            "stream_window_bytes": 16 << 20,
            "access_log": "off",
            "connect_timeout_s": 0.01,
        },
    ],
    ids=["defaults", "a fleet", "extremes"],
)
async def test_envoy_accepts_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert await accepted(tmp_path, with_mesh(**changes)) == ""


# Each example is a start of Envoy: a failure is shown as it was found.
@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(meshes)
def test_envoy_accepts_whatever_the_settings_allow(
    tmp_path_factory: pytest.TempPathFactory, mesh: MeshSettings
) -> None:
    directory = tmp_path_factory.mktemp("envoy")
    assert asyncio.run(accepted(directory, bootstrap(Settings(mesh=mesh)))) == ""


async def test_envoy_refuses_what_is_wrong(tmp_path: Path) -> None:
    """The check itself can fail."""
    config = with_mesh()
    config["static_resources"]["clusters"][0]["lb_policy"] = "BY_GUESS"
    assert "BY_GUESS" in await accepted(tmp_path, config)


def test_each_door_has_a_port_of_its_own() -> None:
    with pytest.raises(ValueError, match="must differ"):
        MeshSettings(listen_devices="127.0.0.1:7400")


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: None)
    with pytest.raises(FileNotFoundError, match=r"reno-mesh\[mesh\]"):
        binary()
