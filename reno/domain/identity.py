"""Who calls. Identity comes from the call, never from a message's field."""

from dataclasses import dataclass

from reno.domain.member import member_key


@dataclass(frozen=True, slots=True)
class Backend:
    """A caller of the ingestion and presence doors."""

    tenant: str
    source: str


@dataclass(frozen=True, slots=True)
class Device:
    """A caller of the device door."""

    tenant: str
    member_id: str
    device_id: str
    device_class: str

    @property
    def member_key(self) -> bytes:
        """Key of the device's member."""
        return member_key(self.tenant, self.member_id)
