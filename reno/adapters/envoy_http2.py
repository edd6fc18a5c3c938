"""What Envoy's listeners and clusters say alike: where, how long, and HTTP/2. Pure."""

from reno.adapters.envoy_extension import Block

MOST_WINDOW_BYTES = 2**31 - 1
LEAST_WINDOW_BYTES = 65_535


def socket_address(address: str) -> Block:
    """HOST:PORT as Envoy has it."""
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def seconds(value_s: float) -> str:
    """As JSON writes a protobuf duration."""
    return f"{value_s:.3f}s"


def http2(
    streams: int,
    stream_bytes: int,
    connection_bytes: int,
    keepalive_interval_s: float,
    keepalive_timeout_s: float,
) -> Block:
    """The options of one side; windows within what HTTP/2 can say."""
    return {
        "max_concurrent_streams": streams,
        "initial_stream_window_size": max(stream_bytes, LEAST_WINDOW_BYTES),
        "initial_connection_window_size": min(
            max(connection_bytes, LEAST_WINDOW_BYTES), MOST_WINDOW_BYTES
        ),
        "connection_keepalive": {
            "interval": seconds(keepalive_interval_s),
            "timeout": seconds(keepalive_timeout_s),
        },
    }
