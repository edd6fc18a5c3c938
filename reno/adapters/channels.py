"""Client channels between the rooms."""

import grpc


def open_channel(address: str, *, max_receive_bytes: int = 64 * 1024 * 1024) -> grpc.aio.Channel:
    """A channel that notices a silent peer within 40 s and reconnects within two seconds of its return. `address` may name several hosts behind one DNS name."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.max_receive_message_length", max_receive_bytes),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # Also what an attempt is given: shorter, and a busy machine or a far one would never be reached.
            ("grpc.min_reconnect_backoff_ms", 2_000),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.lb_policy_name", "round_robin"),
        ],
    )
