"""gRPC services by name and the settings that say where they listen."""

from collections.abc import Mapping

from reno.config.settings import Settings

SERVICES = {
    "reno.v1.IngestionService": "ingestion",
    "reno.v1.NotificationService": "gateway",
    "reno.v1.PresenceService": "presence",
    "reno.v1.InboxService": "processor",
}


def port_of(service: str, settings: Settings) -> int:
    """Where the role answers for the service's health. Raises KeyError for one that no role has."""
    listens: Mapping[str, str | None] = {
        "ingestion": settings.ingestion.listen,
        "gateway": settings.gateway.listen,
        "presence": settings.presence.listen,
        "processor": settings.processor.listen_internal,
    }
    address = listens[SERVICES[service]]
    assert address is not None, f"{service} has no address of its own"
    host, _, port = address.rpartition(":")
    assert host == "0.0.0.0", (
        f"{service} listens on {host}: nobody outside its container gets there"
    )
    return int(port)
