"""What docs/capacity.md counts with: every figure with its unit, how it is known, and where it is from. Change one here, then `python -m bench.capacity --write`."""

from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """How a figure is known."""

    MEASURED = "measured"
    SETTING = "setting"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is put in, not computed."""

    value: float
    unit: str
    known: Known
    source: str


def _measured(value: float, unit: str, source: str) -> Figure:
    return Figure(value, unit, Known.MEASURED, source)


def _setting(value: float, unit: str, source: str) -> Figure:
    return Figure(value, unit, Known.SETTING, source)


def _assumed(value: float, unit: str, source: str) -> Figure:
    return Figure(value, unit, Known.ASSUMED, source)


FIRST = "bench.first"
IDLE = "bench.idle"
SIMULATE = "bench.simulate"

FIGURES = {
    # CPU of an event
    "door_us": _measured(19.0, "µs/event", f"{FIRST}, ingestion"),
    "log_us": _measured(10.3, "µs/event", f"{FIRST}, nats, one server, synced"),
    "processor_us": _measured(37.7, "µs/event", f"{FIRST}, the three processors together"),
    "presence_us": _measured(9.5, "µs/event", f"{FIRST}, presence, nobody online"),
    "gateway_push_us": _measured(31.9, "µs/push", f"{FIRST}, gateway, 1,000 streams"),
    "deliver_call_us": _measured(368.9, "µs/call", f"{SIMULATE}, half of client and server"),
    "deliver_row_us": _measured(1.3, "µs/row", f"{SIMULATE}, half of client and server"),
    "unary_us": _measured(200, "µs/call", "spike: grpc.aio unary 170 to 220, server side"),
    # Bytes of an event with 100 bytes of payload
    "log_bytes": _measured(353.9, "B/event", f"{SIMULATE}, sizes"),
    "row_bytes": _measured(337.9, "B/row", f"{SIMULATE}, sizes: key and value"),
    "pushed_bytes": _measured(276.4, "B/frame", f"{SIMULATE}, sizes"),
    # A connected device
    "stream_bytes": _measured(36_796, "B/stream", f"{IDLE}, gateway, 100 streams a connection"),
    "checkpoint_us": _measured(194.4, "µs/frame", f"{IDLE}, gateway"),
    "look_us": _measured(726.0, "µs/look", f"{IDLE}, gateway, embedded inbox: 3 lanes, a frame"),
    "envoy_us": _measured(14, "µs/frame", "spike: 10 to 22, Envoy before grpc.aio"),
    # A presence replica
    "session_bytes": _measured(486, "B/session", f"{SIMULATE}, presence, once looked up"),
    "learn_us": _measured(4.12, "µs/session", f"{SIMULATE}, presence"),
    "snapshot_bytes": _measured(83.5, "B/session", f"{SIMULATE}, presence"),
    "lookup_us": _measured(1.92, "µs/member", f"{SIMULATE}, presence, 100 a call, half online"),
    "collection_s": _measured(0.317, "s/million", f"{SIMULATE}, presence, a full collection"),
    # Stores
    "log_syncs_per_s": _measured(1_400, "/s", "spike: 640 to 2,200 synced messages/s, this disk"),
    "inbox_insert_us": _measured(38, "µs/insert", "spike: 2 cores / 41,200 inserts, less client"),
    "driver_us": _measured(10, "µs/insert", "spike: acsylla, client"),
    "known_id_bytes": _measured(70, "B/id", "spike: a Python set"),
    # Settings as shipped
    "look_s": _setting(30, "s", "gateway.look_interval_s"),
    "checkpoint_s": _setting(13.5, "s", "gateway.checkpoint_interval_s, less its margin"),
    "stream_life_s": _setting(3600, "s", "gateway.stream_life_s"),
    "gateway_sessions": _setting(20_000, "streams", "gateway.max_sessions; open files here"),
    "lease_s": _setting(5, "s", "presence.lease_s"),
    "deliver_timeout_s": _setting(0.25, "s", "processor.deliver_timeout_s"),
    "deadline_s": _setting(5, "s", "ingestion.deadline_s"),
    "max_sessions": _setting(5_000_000, "sessions", "presence.max_sessions"),
    "envoy_connections": _setting(15_000, "", "mesh.max_connections; open files here"),
    "publish_timeout_s": _setting(1, "s", "log.publish_timeout_s"),
    "log_max_bytes": _setting(7 << 30, "B", "log.max_bytes_*, all lanes"),
    "window_s": _setting(600, "s", "catalogue: duplicate window"),
    # Assumed, because nobody here can measure them
    "high_share": _assumed(0.1, "", "of all events, in the high lane; medium has the rest"),
    "low_share": _assumed(0.6, "", "of all events, in the low lane"),
    "busy": _assumed(0.6, "of a core", "what a process may use in the steady state"),
    "average_of_peak": _assumed(0.4, "", "events over a day against the peak"),
    "pushes": _assumed(1.0, "/event", "gateways that hold a device of the event's member"),
    "disk_bytes": _assumed(2e12, "B/node", "filled to half, of 4 TB"),
    "replicas": _assumed(3, "", "of the log and of the inbox"),
    "compaction": _assumed(2.0, "times", "CPU of a write with its compactions"),
    "node_cores": _assumed(16, "cores", "of a Cassandra node"),
    "read_us": _assumed(100, "µs/read", "a replica's CPU for one lane of one member"),
    "tls_bytes": _assumed(1.15, "times", "HTTP/2, TLS and TCP around a frame"),
    "checkpoint_bytes": _assumed(150, "B/frame", "cursor, HTTP/2, TLS and TCP"),
}


def value(name: str) -> float:
    """The figure's number. Raises KeyError."""
    return FIGURES[name].value
