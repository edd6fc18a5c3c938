"""Cassandra as the inbox: where it is, and how it is asked."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

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
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    """PEM, who may vouch for the nodes; absent: no TLS."""
    certificate_file: Path | None = None
    """PEM, this process's own, for nodes that verify their clients; with key_file."""
    key_file: Path | None = None
    verify_address: bool = True
    """Whether a node's certificate must bear its IP address, as other nodes know it; else any that ca_file vouches for will do."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 256
    """Requests of one process at a time."""
    request_timeout_s: Seconds = 2.0
    connect_timeout_s: Seconds = 5.0
    speculate_after_s: Seconds = 0.5
    """A request that is unanswered for so long goes to one more node, and the first answer counts: a node that hangs holds nothing up until it is known to be down."""
    reconnect_after_s: Seconds = 10.0
    """When no node answered for so long, the contact points are resolved again: nodes may have come back under other addresses."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """A request that timed out may or may not have been done: it is sent again, so often in all."""
    retry_s: Seconds = 0.1
    """Before the second attempt; doubled before each further one."""

    @property
    def contact_hosts(self) -> tuple[str, ...]:
        """Without the port."""
        return tuple(point.rpartition(":")[0].strip("[]") for point in self.contact_points)

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

    @model_validator(mode="after")
    def _has_both_or_neither(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        if self.certificate_file is not None and self.ca_file is None:
            raise ValueError("certificate_file needs ca_file")
        return self
