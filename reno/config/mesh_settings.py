"""The settings of the mesh's edge."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from reno.config.section import Address, Count, Seconds, Section

Port = Annotated[int, Field(gt=0, le=65_535)]
Addresses = Annotated[tuple[Address, ...], Field(min_length=1)]
Origin = Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]


class MeshSettings(Section):
    """Envoy in front of the doors. Of addresses that are names, all that DNS answers count, asked again and again."""

    listen_ingestion: Address = "127.0.0.1:7400"
    listen_devices: Address = "127.0.0.1:7401"
    listen_presence: Address = "127.0.0.1:7402"
    admin_port: Port = 7405
    """On 127.0.0.1 only: statistics, and the power to end Envoy."""
    ingestion: Addresses = ("127.0.0.1:7403",)
    gateways: Addresses = ("127.0.0.1:7406",)
    presence: Addresses = ("127.0.0.1:7404",)
    allowed_origins: tuple[Origin, ...] = ()
    """Web pages (scheme://host[:port]) whose scripts may call the devices' door."""
    access_log: Annotated[str, Field(pattern="^(all|faults|off)$")] = "faults"
    workers: Annotated[int, Field(gt=0, le=256)] = 2
    max_connections: Count = 15_000
    """From outside, in sum; each takes one of the process's open files."""
    max_streams_per_connection: Count = 1000
    """On both sides of Envoy; on the doors' side more streams open more connections."""
    max_streams: Count = 100_000
    """Calls in flight to the doors of one role; more are refused as UNAVAILABLE."""
    max_waiting: Count = 10_000
    """Of these, calls that wait for a connection to a door, or are tried again."""
    max_upstream_connections: Count = 1000
    stream_window_bytes: Annotated[int, Field(ge=65_535, le=16 << 20)] = 65_535
    """What a device that does not read keeps of a door's answers in Envoy."""
    connect_timeout_s: Seconds = 2.0
    keepalive_interval_s: Seconds = 30.0
    """Of connections from outside."""
    keepalive_timeout_s: Seconds = 10.0
    door_keepalive_interval_s: Seconds = 10.0
    door_keepalive_timeout_s: Seconds = 5.0
    """Streams of a door that froze are ended after interval and timeout."""
    health_interval_s: Seconds = 1.0
    health_timeout_s: Seconds = 2.0
    unhealthy_after: Count = 3
    """Health checks without an answer; a door that says NOT_SERVING is left out at once."""
    eject_after: Count = 5
    """Failed connections and broken streams in a row."""
    eject_s: Seconds = 10.0
    max_ejected_percent: Annotated[int, Field(ge=0, le=100)] = 50
    dns_refresh_s: Seconds = 5.0

    @model_validator(mode="after")
    def _has_a_port_for_each(self) -> Self:
        listens = {self.listen_ingestion, self.listen_devices, self.listen_presence}
        if len(listens) < 3:
            raise ValueError("listen_ingestion, listen_devices and listen_presence must differ")
        return self
