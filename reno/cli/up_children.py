"""The children of one `reno up`: what each runs, how it is asked, and in which order all end."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from reno.adapters import envoy_config, envoy_server, nats_server
from reno.cli.child import ChildPlan
from reno.cli.fault import Fault
from reno.cli.installation import ask_timeout_s
from reno.cli.ports import HOST, MAX_GATEWAYS, PortPlan, as_environment
from reno.cli.probes import GrpcProbe, HttpProbe, LogProbe, MeshProbe
from reno.config.settings import Settings
from reno.config.transport import H2
from reno.domain.priority import LANES

NATS = "nats"
MESH = "mesh"

STOP_ORDER: Sequence[Sequence[str]] = (
    ("ingestion",),
    tuple(f"processor-{lane.word}" for lane in LANES),
    ("gateway", *(f"gateway-{number}" for number in range(1, MAX_GATEWAYS + 1))),
    ("presence",),
    (MESH,),
    (NATS,),
)
"""From where events come in to where they are kept: what was taken is still processed and delivered. The mesh only after the doors behind it: what they say to callers as they leave goes through it."""


def log_child(settings: Settings, ports: PortPlan) -> ChildPlan:
    """nats-server in DATA/nats, synced. Raises Fault when the disk is too small or the binary is missing."""
    directory = settings.data_dir / "nats"
    store = directory / "store"
    store.mkdir(parents=True, exist_ok=True)
    limits = [settings.log.max_bytes(lane) for lane in LANES]
    limits.append(settings.processor.dead_letter_max_bytes)
    try:
        max_file_store = nats_server.max_file_store_bytes(
            limits, shutil.disk_usage(store).free, held_bytes(store)
        )
        config = directory / "nats.conf"
        command = nats_server.command(config)
    except (ValueError, FileNotFoundError) as error:
        raise Fault(str(error)) from error
    config.write_text(
        nats_server.render_config(
            name="reno",
            host=HOST,
            port=ports["nats"],
            monitor_port=ports["nats-monitor"],
            store=store,
            max_file_store=max_file_store,
        ),
        encoding="utf-8",
    )
    probe = LogProbe(HOST, ports["nats-monitor"], store, ask_timeout_s(settings.supervisor))
    return ChildPlan(NATS, command, dict(os.environ), probe, _log(settings, NATS))


def role_children(settings: Settings, ports: PortPlan) -> list[ChildPlan]:
    """Presence, a processor a lane, gateway and ingestion; settings go by environment."""
    timeout_s = ask_timeout_s(settings.supervisor)
    environment = {
        **os.environ,
        **ports.environment(),
        "RENO_DATA_DIR": str(settings.data_dir),
        "RENO_LOG__SHARDS": str(settings.log.shards),
        "RENO_INBOX__ENGINE": settings.inbox.engine,
        # The parent reads the lines' level; what it shows, it shows as text.
        "RENO_TELEMETRY__LOG_FORMAT": "json",
    }

    if ports.mesh:
        for section, door in (("GATEWAY", settings.gateway), ("INGESTION", settings.ingestion)):
            if "transport" not in door.model_fields_set:
                environment[f"RENO_{section}__TRANSPORT"] = H2
    places = ports.overrides()

    def role(
        name: str,
        arguments: Sequence[str],
        address: str,
        service: str,
        own: Mapping[str, str] | None = None,
    ) -> ChildPlan:
        command = (sys.executable, "-m", "reno.cli.main", "serve", *arguments)
        probe = GrpcProbe(address, [f"reno.v1.{service}"], timeout_s)
        return ChildPlan(name, command, {**environment, **(own or {})}, probe, _log(settings, name))

    def gateway(number: int) -> ChildPlan:
        if ports.gateways == 1:
            return role("gateway", ["gateway"], places["gateway"]["listen"], "NotificationService")
        name = f"gateway-{number + 1}"
        place = ports.gateway(number)
        own = as_environment({"gateway": {**place, "gateway_id": name}})
        return role(name, ["gateway"], place["listen"], "NotificationService", own)

    return [
        role("presence", ["presence"], places["presence"]["listen"], "PresenceService"),
        *(
            role(
                f"processor-{lane.word}",
                ["processor", "--priority", lane.word],
                ports.address(f"inbox-{lane.word}"),
                "InboxService",
            )
            for lane in LANES
        ),
        *map(gateway, range(ports.gateways)),
        role("ingestion", ["ingestion"], places["ingestion"]["listen"], "IngestionService"),
    ]


def mesh_child(settings: Settings, ports: PortPlan) -> ChildPlan:
    """Envoy in front of the doors, its bootstrap in DATA/mesh. Raises Fault when the binary is missing."""
    directory = settings.data_dir / MESH
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "envoy.json"
    mesh = settings.mesh.model_copy(update=ports.overrides()["mesh"])
    settings = settings.model_copy(update={"mesh": mesh})
    bootstrap = envoy_config.bootstrap(settings)
    try:
        command = envoy_server.command(config, mesh.workers)
    except FileNotFoundError as error:
        raise Fault(str(error)) from error
    config.write_text(json.dumps(bootstrap, indent=2), encoding="utf-8")
    timeout_s = ask_timeout_s(settings.supervisor)
    probe = MeshProbe(
        HttpProbe(HOST, ports["mesh-admin"], "/ready", timeout_s),
        [
            GrpcProbe(ports.address("ingestion"), ["reno.v1.IngestionService"], timeout_s),
            GrpcProbe(ports.address("devices"), ["reno.v1.NotificationService"], timeout_s),
            GrpcProbe(ports.address("presence"), ["reno.v1.PresenceService"], timeout_s),
        ],
    )
    return ChildPlan(MESH, command, dict(os.environ), probe, _log(settings, MESH))


def held_bytes(store: Path) -> int:
    """What the files of a store take on the disk now."""
    return sum(path.stat().st_blocks * 512 for path in store.rglob("*") if path.is_file())


def _log(settings: Settings, name: str) -> Path:
    return settings.data_dir / "logs" / f"{name}.log"
