"""The Cassandra that a measurement asks: a given one, or one of its own."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 200.0


@contextmanager
def node(contact_point: str | None) -> Iterator[str]:
    """The one that is given, or one of our own with 1 GiB of heap."""
    if contact_point:
        yield contact_point
        return
    subprocess.run([ROOT / "scripts" / "cassandra-jars"], check=True, stdout=subprocess.DEVNULL)
    ports = [free_port() for _ in range(2)]
    directory = Path(tempfile.mkdtemp(prefix="reno-bench-"))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["env", "CASSANDRA_HEAP=1G", ROOT / "scripts" / "cassandra", directory, "127.0.0.1", *map(str, ports)],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(ports[0]):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "log").read_text()[-2000:])
            time.sleep(0.2)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


def free_port() -> int:
    """Of this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
