"""The children of one `reno up`: what each runs, how it is asked, and in which order all end."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from reno.adapters import nats_server
from reno.cli.child import ChildPlan
from reno.cli.fault import Fault
from reno.cli.installation import ask_timeout_s
from reno.cli.ports import HOST, PortPlan
from reno.cli.probes import GrpcProbe, LogProbe
from reno.config.settings import Settings
from reno.domain.priority import LANES

NATS = "nats"

STOP_ORDER: Sequence[Sequence[str]] = (
    ("ingestion",),
    tuple(f"processor-{lane.word}" for lane in LANES),
    ("gateway",),
    ("presence",),
    (NATS,),
)
"""From where events come in to where they are kept: what was taken is still processed and delivered."""


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
        # The parent reads the lines' level; what it shows, it shows as text.
        "RENO_TELEMETRY__LOG_FORMAT": "json",
    }

    def role(name: str, arguments: Sequence[str], port: str, service: str) -> ChildPlan:
        command = (sys.executable, "-m", "reno.cli.main", "serve", *arguments)
        probe = GrpcProbe(ports.address(port), [f"reno.v1.{service}"], timeout_s)
        return ChildPlan(name, command, environment, probe, _log(settings, name))

    return [
        role("presence", ["presence"], "presence", "PresenceService"),
        *(
            role(
                f"processor-{lane.word}",
                ["processor", "--priority", lane.word],
                f"inbox-{lane.word}",
                "InboxService",
            )
            for lane in LANES
        ),
        role("gateway", ["gateway"], "devices", "NotificationService"),
        role("ingestion", ["ingestion"], "ingestion", "IngestionService"),
    ]


def held_bytes(store: Path) -> int:
    """What the files of a store take on the disk now."""
    return sum(path.stat().st_blocks * 512 for path in store.rglob("*") if path.is_file())


def _log(settings: Settings, name: str) -> Path:
    return settings.data_dir / "logs" / f"{name}.log"
