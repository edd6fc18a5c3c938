"""A real Envoy on 127.0.0.1 in front of doors, ended by pid by who started it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from reno.adapters import envoy_config, envoy_server
from reno.cli.tether import tethered
from reno.config.mesh_settings import MeshSettings
from reno.config.settings import Settings
from tests.servers.nats import free_port
from tests.servers.process import ServerProcess


class EnvoyProcess(ServerProcess):
    """One with a directory of its own; it keeps ports over kill and start. It notices soon that a door is silent."""

    def __init__(
        self,
        directory: Path,
        *,
        ingestion: Sequence[str],
        gateways: Sequence[str],
        presence: Sequence[str],
    ) -> None:
        """The doors' addresses."""
        super().__init__()
        self.directory = directory
        self.ingestion, self.devices, self.presence = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self._mesh = MeshSettings(
            listen_ingestion=self.ingestion,
            listen_devices=self.devices,
            listen_presence=self.presence,
            admin_port=free_port(),
            ingestion=tuple(ingestion),
            gateways=tuple(gateways),
            presence=tuple(presence),
            workers=1,
            door_keepalive_interval_s=1.0,
            door_keepalive_timeout_s=1.0,
        )

    def start(self) -> None:
        """Does not wait: who calls through it tries again."""
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "envoy.json"
        config.write_text(json.dumps(envoy_config.bootstrap(Settings(mesh=self._mesh))))
        command = envoy_server.command(config, self._mesh.workers)
        self._launch(tethered(os.getpid(), command), self.directory / "envoy.log")
