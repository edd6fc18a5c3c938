"""Cassandra as the inbox: where it is, and how it is asked."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from reno.config.section import Address, Seconds, Section


class CassandraSettings(Section):
    """Part of the inbox's settings; they count where inbox.engine is cassandra."""

    contact_points: Annotated[tuple[Address, ...], Field(min_length=1)] = ("127.0.0.1:9042",)
    """Some nodes to begin with, all with one port; the driver finds the others."""
    keyspace: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")] = "reno"
    local_dc: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "datacenter1"
    """The data centre that is asked; another one is never."""
    replication_factor: Annotated[int, Field(ge=1, le=9)] = 1
    """Of the keyspace in local_dc when it is made; 3 in a fleet."""
    consistency: Annotated[
        str, Field(pattern="^(local_quorum|quorum|each_quorum|local_one|one)$")
    ] = "local_quorum"
    """Of reads and writes. Below a quorum a row that was stored may not be seen: only for one node."""
    user: str | None = None
    password: SecretStr | None = None
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 256
    """Requests of one process at a time."""
    request_timeout_s: Seconds = 2.0
    connect_timeout_s: Seconds = 5.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """A request that timed out may or may not have been done: it is sent again, so often in all."""
    retry_s: Seconds = 0.1
    """Before the second attempt; doubled before each further one."""

    @property
    def contact_hosts(self) -> tuple[str, ...]:
        """Without the port."""
        return tuple(point.rpartition(":")[0] for point in self.contact_points)

    @property
    def contact_port(self) -> int:
        """Of every node."""
        return int(self.contact_points[0].rpartition(":")[2])

    @field_validator("contact_points")
    @classmethod
    def _has_one_port(cls, points: tuple[str, ...]) -> tuple[str, ...]:
        if len({point.rpartition(":")[2] for point in points}) != 1:
            raise ValueError("every node must have the same port")
        return points
