"""A real Envoy on 127.0.0.1 in front of doors, ended by pid by who started it."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from reno.adapters import envoy_config, envoy_server
from reno.cli.tether import tethered
from reno.config.mesh_settings import MeshSettings
from reno.config.settings import Settings
from tests.servers.nats import free_port

STOP_TIMEOUT_S = 10.0


class EnvoyProcess:
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
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Does not wait: who calls through it tries again."""
        assert self._process is None, "already started"
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "envoy.json"
        config.write_text(json.dumps(envoy_config.bootstrap(Settings(mesh=self._mesh))))
        command = envoy_server.command(config, self._mesh.workers)
        with (self.directory / "envoy.log").open("ab") as out:
            self._process = subprocess.Popen(tethered(os.getpid(), command), stdout=out, stderr=out)

    def kill(self) -> None:
        """kill -9; idempotent."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end; idempotent."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
