"""A real browser without a window, and the little web server that gives it its page and hears what the page tells."""

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

FOLDER = Path(__file__).parent
NAMES = ("chromium", "chromium-browser")
END_TIMEOUT_S = 20
MAX_TOLD_BYTES = 1 << 20

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    # Nothing but this machine is looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


class Page:
    """Serves the page, and keeps what it told."""

    def __init__(self, server: ThreadingHTTPServer, told: "queue.Queue[dict[str, Any]]") -> None:
        self.port = server.server_port
        self._told = told

    def origin(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"

    def told(self, timeout_s: float) -> dict[str, Any]:
        """The next thing; raises AssertionError when none comes in time."""
        try:
            return self._told.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError("the page says nothing") from None


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, told: "queue.Queue[dict[str, Any]]", *args: Any) -> None:
        self._told = told
        super().__init__(*args, directory=str(FOLDER))

    def do_POST(self) -> None:
        length = min(int(self.headers["content-length"]), MAX_TOLD_BYTES)
        self._told.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as it is called there
        """Says nothing."""


@contextmanager
def served_page() -> Iterator[Page]:
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, told)) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield Page(server, told)
        finally:
            server.shutdown()
            serving.join(END_TIMEOUT_S)


@contextmanager
def browser_at(url: str, profile: Path, **query: str) -> Iterator[None]:
    """Chromium on the page, with a profile of its own; ended with all its processes."""
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    if binary is None:
        pytest.skip("a browser is missing: apt-get install chromium")
    command = [binary, *FLAGS, f"--user-data-dir={profile}", f"{url}?{urlencode(query)}"]
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(profile.parent)},
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_TIMEOUT_S)
