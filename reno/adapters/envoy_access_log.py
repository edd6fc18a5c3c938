"""What Envoy writes down of calls. Pure."""

from reno.adapters.envoy_extension import Block, extension

LINE = {
    "event": "call",
    "timestamp": "%START_TIME%",
    "method": "%REQ(:PATH)%",
    "status": "%GRPC_STATUS(SNAKE_STRING)%",
    "http": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "why": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "door": "%UPSTREAM_HOST%",
}

FAILED: Block = {"grpc_status_filter": {"statuses": ["OK", "CANCELED"], "exclude": True}}

NOT_LEFT: Block = {
    "extension_filter": extension(
        "envoy.access_loggers.extension_filters.cel",
        "extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression='!(response.code_details in ["http2.remote_reset", "downstream_remote_disconnect"])',
    )
}
"""Every device goes away in the middle of its stream some time: to the status filter alone that is UNKNOWN."""


def access_log(which: str, edge: str) -> list[Block]:
    """All, faults or off: a line a call, written when it has ended. Who called is not written down."""
    if which == "off":
        return []
    log = extension(
        "envoy.access_loggers.stdout",
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": {**LINE, "edge": edge}},
    )
    if which == "faults":
        log["filter"] = {"and_filter": {"filters": [FAILED, NOT_LEFT]}}
    return [log]
