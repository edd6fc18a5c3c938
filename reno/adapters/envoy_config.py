"""Envoy's bootstrap, from the settings. Pure: what it listens to, which calls go where, and its limits."""

from collections.abc import Sequence
from typing import Any

from reno.adapters.envoy_access_log import access_log
from reno.adapters.envoy_cluster import Upstream, cluster
from reno.adapters.envoy_cors import CORS_FILTER, cors_policy
from reno.adapters.envoy_extension import Block, extension
from reno.adapters.envoy_http2 import http2, seconds, socket_address
from reno.config.settings import Settings

ADMIN_HOST = "127.0.0.1"

DEVICE_METADATA = ("reno-member", "reno-device")
"""Which gateway serves a device: its id alone is not enough, every household has a "tv-1"."""

OPEN_SERVICES = ("/grpc.health.", "/grpc.reflection.")
"""Answered by any door of the role, as without Envoy."""

# Of these the door never saw the call: trying another one repeats nothing.
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
MAX_TRIES_AGAIN = 2
# Neighbours on the ring are often the same door.
MAX_PICKS = 16

SILENT_CHECKPOINTS = 4
HEADERS_TIMEOUT_S = 10.0
SMALL_BUFFER_BYTES = 64 * 1024
DEVICE_CONNECTION_WINDOW_BYTES = 1024 * 1024


def bootstrap(settings: Settings) -> Block:
    """All of Envoy's configuration, ready to be written as JSON."""
    mesh = settings.mesh
    return {
        "admin": {"address": socket_address(f"{ADMIN_HOST}:{mesh.admin_port}")},
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=mesh.max_connections,
                )
            ]
        },
        "static_resources": {
            "listeners": [_ingestion(settings), _devices(settings), _presence(settings)],
            "clusters": [cluster(settings, upstream) for upstream in upstreams(settings)],
        },
    }


def upstreams(settings: Settings) -> Sequence[Upstream]:
    """The doors of each role; only devices come back to the same one."""
    mesh = settings.mesh
    return (
        Upstream(
            "ingestion",
            mesh.ingestion,
            "reno.v1.IngestionService",
            settings.ingestion.max_batch_bytes,
        ),
        Upstream(
            "devices",
            mesh.gateways,
            "reno.v1.NotificationService",
            SMALL_BUFFER_BYTES,
            is_by_caller=True,
        ),
        Upstream("presence", mesh.presence, "reno.v1.PresenceService", SMALL_BUFFER_BYTES),
    )


def _ingestion(settings: Settings) -> Block:
    """Backends speak gRPC. A window holds a whole batch, a connection's all that may be unanswered."""
    batch_bytes = settings.ingestion.max_batch_bytes
    unanswered_bytes = batch_bytes * settings.ingestion.max_unanswered_batches
    return _listener(
        settings,
        "ingestion",
        settings.mesh.listen_ingestion,
        _route("ingestion", "reno.v1.IngestionService"),
        buffer_bytes=batch_bytes,
        codec_type="HTTP2",
        http2_protocol_options=_http2(settings, batch_bytes, unanswered_bytes),
        # A backend's stream may be without events for as long as it lives.
        stream_idle_timeout=seconds(settings.ingestion.stream_life_s * 1.25),
    )


def _devices(settings: Settings) -> Block:
    """Devices by gRPC, browsers by gRPC-Web, over HTTP/1.1 too."""
    filters = [
        extension("envoy.filters.http.grpc_web", "extensions.filters.http.grpc_web.v3.GrpcWeb"),
        extension(CORS_FILTER, "extensions.filters.http.cors.v3.Cors"),
    ]
    policy = cors_policy(settings.mesh.allowed_origins)
    by_device = [{"header": {"header_name": name}} for name in DEVICE_METADATA]
    return _listener(
        settings,
        "devices",
        settings.mesh.listen_devices,
        _route("devices", "reno.v1.NotificationService", hash_policy=by_device),
        filters=filters,
        host_extras={"typed_per_filter_config": {CORS_FILTER: policy}},
        buffer_bytes=SMALL_BUFFER_BYTES,
        codec_type="AUTO",
        http2_protocol_options=_http2(settings, SMALL_BUFFER_BYTES, DEVICE_CONNECTION_WINDOW_BYTES),
        # A device's stream has a checkpoint this often; without several of them it is dead.
        stream_idle_timeout=seconds(settings.gateway.checkpoint_interval_s * SILENT_CHECKPOINTS),
    )


def _presence(settings: Settings) -> Block:
    return _listener(
        settings,
        "presence",
        settings.mesh.listen_presence,
        _route("presence", "reno.v1.PresenceService"),
        buffer_bytes=SMALL_BUFFER_BYTES,
        codec_type="HTTP2",
        http2_protocol_options=_http2(settings, SMALL_BUFFER_BYTES, DEVICE_CONNECTION_WINDOW_BYTES),
        # A watch has a sign of life this often; without several of them it is dead.
        stream_idle_timeout=seconds(settings.presence.watch_alive_s * SILENT_CHECKPOINTS),
    )


def _listener(
    settings: Settings,
    name: str,
    listen: str,
    routes: Sequence[Block],
    *,
    buffer_bytes: int,
    filters: Sequence[Block] = (),
    host_extras: Block | None = None,
    **connection: Any,
) -> Block:
    router = extension(
        "envoy.filters.http.router",
        "extensions.filters.http.router.v3.Router",
        suppress_envoy_headers=True,
    )
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        use_remote_address=True,
        generate_request_id=False,
        request_headers_timeout=seconds(HEADERS_TIMEOUT_S),
        # Until the request has been read to its end, which a stream's never is.
        request_timeout=seconds(0),
        common_http_protocol_options={
            "idle_timeout": seconds(settings.server.max_connection_idle_s)
        },
        max_request_headers_kb=max(1, settings.server.max_metadata_bytes // 1024),
        access_log=access_log(settings.mesh.access_log, name),
        http_filters=[*filters, router],
        route_config={
            "name": name,
            "virtual_hosts": [
                {"name": name, "domains": ["*"], "routes": list(routes), **(host_extras or {})}
            ],
        },
        **connection,
    )
    return {
        "name": name,
        "address": socket_address(listen),
        "per_connection_buffer_limit_bytes": buffer_bytes,
        # A few backends' connections would otherwise often meet in one worker.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [manager]}],
    }


def _route(cluster_name: str, service: str, **action: Any) -> list[Block]:
    """Only what belongs to this port: every other path is UNIMPLEMENTED."""
    route = {
        "cluster": cluster_name,
        "timeout": seconds(0),
        "retry_policy": {
            "retry_on": RETRY_ON,
            "num_retries": MAX_TRIES_AGAIN,
            "host_selection_retry_max_attempts": MAX_PICKS,
            "retry_host_predicate": [
                extension(
                    "envoy.retry_host_predicates.previous_hosts",
                    "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                )
            ],
        },
        **action,
    }
    prefixes = (f"/{service}/", *OPEN_SERVICES)
    return [{"match": {"prefix": prefix}, "route": route} for prefix in prefixes]


def _http2(settings: Settings, stream_bytes: int, connection_bytes: int) -> Block:
    mesh = settings.mesh
    return http2(
        mesh.max_streams_per_connection,
        stream_bytes,
        connection_bytes,
        mesh.keepalive_interval_s,
        mesh.keepalive_timeout_s,
    )
