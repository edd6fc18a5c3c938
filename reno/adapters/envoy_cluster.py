"""The doors of one role as Envoy sees them: where they are, which are well, and how much they get. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from reno.adapters.envoy_extension import Block
from reno.adapters.envoy_http2 import http2, seconds, socket_address
from reno.adapters.resolving import is_ip
from reno.config.mesh_settings import MeshSettings
from reno.config.settings import Settings

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

PANIC_PERCENT = 1
"""Only when no door at all is well they are all asked, so that they say themselves what they miss."""


RING_POINTS = 65_536
"""On the ring, shared by all doors of a role. With Envoy's own 1,024 and 500 gateways two points each, one would get several times what another one gets."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The doors of a role; `is_by_caller` keeps each caller at one of them."""

    name: str
    addresses: Sequence[str]
    service: str
    buffer_bytes: int
    is_by_caller: bool = False


def cluster(settings: Settings, upstream: Upstream) -> Block:
    """One of Envoy's clusters."""
    mesh = settings.mesh
    return {
        "name": upstream.name,
        **_discovery(mesh, upstream.addresses),
        **(_BY_CALLER if upstream.is_by_caller else _IN_TURN),
        "common_lb_config": {"healthy_panic_threshold": {"value": PANIC_PERCENT}},
        "connect_timeout": seconds(mesh.connect_timeout_s),
        "per_connection_buffer_limit_bytes": upstream.buffer_bytes,
        "load_assignment": {
            "cluster_name": upstream.name,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": socket_address(at)}} for at in upstream.addresses
                    ]
                }
            ],
        },
        "circuit_breakers": {"thresholds": [_threshold(mesh)]},
        "health_checks": [_health_check(mesh, upstream.service)],
        "outlier_detection": _outliers(mesh),
        "typed_extension_protocol_options": {HTTP_OPTIONS: _http(settings)},
    }


_BY_CALLER: Block = {
    "lb_policy": "RING_HASH",
    "ring_hash_lb_config": {"minimum_ring_size": RING_POINTS},
}
_IN_TURN: Block = {"lb_policy": "ROUND_ROBIN"}


def _discovery(mesh: MeshSettings, addresses: Sequence[str]) -> Block:
    if all(is_ip(address.rpartition(":")[0]) for address in addresses):
        return {"type": "STATIC"}
    return {
        "type": "STRICT_DNS",
        "dns_refresh_rate": seconds(mesh.dns_refresh_s),
        "dns_lookup_family": "V4_PREFERRED",
    }


def _threshold(mesh: MeshSettings) -> Block:
    """A subscribed device is one request that does not end: Envoy's own limit of 1,024 is for other traffic."""
    return {
        "max_connections": mesh.max_upstream_connections,
        "max_pending_requests": mesh.max_waiting,
        "max_requests": mesh.max_streams,
        "max_retries": mesh.max_waiting,
        "track_remaining": True,
    }


def _health_check(mesh: MeshSettings, service: str) -> Block:
    interval = seconds(mesh.health_interval_s)
    return {
        "timeout": seconds(mesh.health_timeout_s),
        "interval": interval,
        # Else a door without traffic is looked at once a minute.
        "no_traffic_interval": interval,
        "unhealthy_threshold": mesh.unhealthy_after,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service},
    }


def _outliers(mesh: MeshSettings) -> Block:
    """Ejected is who breaks connections. A status is an answer, also UNAVAILABLE: whether a door can do its work its health says."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": mesh.eject_after,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "base_ejection_time": seconds(mesh.eject_s),
        "max_ejection_percent": mesh.max_ejected_percent,
    }


def _http(settings: Settings) -> Block:
    mesh = settings.mesh
    streams = min(mesh.max_streams_per_connection, settings.server.max_concurrent_streams)
    return {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        # Below the door's own: an end that crosses a new call on the way would fail it.
        "common_http_protocol_options": {
            "idle_timeout": seconds(settings.server.max_connection_idle_s / 2)
        },
        "explicit_http_config": {
            "http2_protocol_options": http2(
                streams,
                mesh.stream_window_bytes,
                # Room for every stream's window: devices that do not read must not hold up the others on the connection.
                streams * mesh.stream_window_bytes,
                mesh.door_keepalive_interval_s,
                mesh.door_keepalive_timeout_s,
            )
        },
    }
