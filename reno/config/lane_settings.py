"""What one lane has otherwise than the others."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from reno.config.section import Count, Seconds, Section
from reno.domain.priority import Priority


class LaneSettings(Section):
    """Absent: the value of the same name in log, ingestion or processor counts for this lane too."""

    shards: Annotated[int | None, Field(ge=1, le=1024)] = None
    replicas: Annotated[int | None, Field(ge=1, le=5)] = None
    publish_timeout_s: Seconds | None = None
    max_envelope_events: Annotated[int | None, Field(gt=0, le=4095)] = None
    max_waiting_bytes_per_shard: Count | None = None
    linger_s: Annotated[float | None, Field(ge=0, le=1)] = None
    deadline_s: Annotated[float | None, Field(gt=0, le=60)] = None
    retry_after_s: Seconds | None = None
    max_batch_events: Count | None = None
    deliver_timeout_s: Seconds | None = None
    deliver_patience_s: Seconds | None = None
    lookup_timeout_s: Seconds | None = None
    remembered_members_per_shard: Count | None = None
    explain_s: Seconds | None = None

    def of_section(self, section: str) -> dict[str, Any]:
        """What is given, of one section: log, ingestion or processor."""
        return {
            name: value for name in _NAMES[section] if (value := getattr(self, name)) is not None
        }


_NAMES: Mapping[str, tuple[str, ...]] = {
    "log": ("shards", "replicas", "publish_timeout_s"),
    "ingestion": (
        "max_envelope_events",
        "max_waiting_bytes_per_shard",
        "linger_s",
        "deadline_s",
        "retry_after_s",
    ),
    "processor": (
        "max_batch_events",
        "deliver_timeout_s",
        "deliver_patience_s",
        "lookup_timeout_s",
        "remembered_members_per_shard",
        "explain_s",
    ),
}


class LanesSettings(Section):
    """Each lane's own values."""

    high: LaneSettings = LaneSettings()
    medium: LaneSettings = LaneSettings()
    low: LaneSettings = LaneSettings()

    def of(self, priority: Priority) -> LaneSettings:
        """The lane's."""
        return {Priority.HIGH: self.high, Priority.MEDIUM: self.medium, Priority.LOW: self.low}[
            priority
        ]
