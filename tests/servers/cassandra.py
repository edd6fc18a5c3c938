"""Real Cassandra nodes on 127.0.0.1 and its neighbours, ended by pid by who started them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cassandra.cluster import Cluster, Session  # type: ignore[import-untyped]

from reno.adapters import cassandra_schema
from reno.config.cassandra_settings import CassandraSettings
from tests.servers.nats import free_port
from tests.servers.process import ServerProcess

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 200.0
TABLES = ("rows", "journal", "marks", "acknowledged", "lanes")


def require_cassandra() -> None:
    """Skips by name where Java or Maven is missing; fetches the jars once."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: apt-get install maven openjdk-17-jre-headless")
    subprocess.run([ROOT / "scripts" / "cassandra-jars"], check=True, stdout=subprocess.DEVNULL)


class CassandraNode(ServerProcess):
    """One node with a directory of its own; it keeps ports and data over kill and start."""

    STOP_TIMEOUT_S = 30.0

    def __init__(
        self,
        directory: Path,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        storage_port: int | None = None,
        seeds: str | None = None,
        options: Sequence[str] = (),
        own: str = "",
    ) -> None:
        """`own`: YAML beside the template's."""
        super().__init__()
        self.directory = directory
        self.address = address
        self.port = port or free_port()
        self.storage_port = storage_port or free_port()
        self._seeds = seeds or f"{address}:{self.storage_port}"
        self._own = own
        self._options = ("-XX:TieredStopAtLevel=1", *options)

    @property
    def contact_point(self) -> str:
        return f"{self.address}:{self.port}"

    def settings(self, **changes: object) -> CassandraSettings:
        """Patient: a test's machine may be busy."""
        return CassandraSettings.model_validate(
            {
                "contact_points": (self.contact_point,),
                "request_timeout_s": 10.0,
                "connect_timeout_s": 30.0,
                **changes,
            }
        )

    def start(self) -> None:
        """Does not wait; see `wait_ready`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "own.yaml").write_text(self._own)
        self._launch(
            [
                *(ROOT / "scripts" / "cassandra", self.directory, self.address),
                *(str(self.port), str(self.storage_port), self._seeds, *self._options),
            ],
            self.directory / "cassandra.log",
            # What Java unpacks there stays when it is killed.
            {**os.environ, "TMPDIR": str(self.directory)},
        )

    def wait_ready(self) -> None:
        """Raises AssertionError with the end of its log when it does not answer in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            if self._running.poll() is not None or time.monotonic() > deadline:
                self.kill()
                log = (self.directory / "cassandra.log").read_text()[-3000:]
                raise AssertionError(f"Cassandra did not start:\n{log}")
            time.sleep(0.1)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0


class SharedCassandra:
    """One node a test run, started by the first test that wants it, with a keyspace `reno` that is emptied for each."""

    def __init__(self) -> None:
        self._node: CassandraNode | None = None
        self._cluster: Cluster | None = None
        self._session: Session | None = None
        self._directory: Path | None = None

    def node(self) -> CassandraNode:
        """Running, with the schema of `reno`. One that did not come up in a test's time is started anew for the next."""
        if self._session is None:
            self.end()
            require_cassandra()
            self._directory = Path(tempfile.mkdtemp(prefix="reno-cassandra-"))
            self._node = CassandraNode(self._directory)
            self._node.start()
            self._node.wait_ready()
            cassandra_schema.apply(self._node.settings())
            self._cluster = Cluster(
                [self._node.address],
                port=self._node.port,
                connect_timeout=START_TIMEOUT_S,
                control_connection_timeout=START_TIMEOUT_S,
            )
            self._session = self._cluster.connect("reno")
            self._session.default_timeout = START_TIMEOUT_S
        assert self._node is not None
        return self._node

    def emptied(self) -> CassandraSettings:
        """The settings of the node, with nothing in `reno`."""
        settings = self.node().settings()
        assert self._session is not None
        for waiting in [self._session.execute_async(f"TRUNCATE {table}") for table in TABLES]:
            waiting.result()
        return settings

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """CQL, as an administrator would."""
        self.node()
        assert self._session is not None
        return [tuple(row) for row in self._session.execute(statement)]

    def end(self) -> None:
        """Also of one that did not come up; idempotent."""
        if self._cluster is not None:
            self._cluster.shutdown()
        if self._node is not None:
            self._node.kill()
        if self._directory is not None:
            shutil.rmtree(self._directory)
        self._cluster = self._session = self._node = self._directory = None


SHARED = SharedCassandra()


def pytest_sessionfinish() -> None:
    SHARED.end()


@pytest.fixture
def cassandra() -> CassandraSettings:
    """The shared node, with an empty keyspace. Leave it running."""
    return SHARED.emptied()
