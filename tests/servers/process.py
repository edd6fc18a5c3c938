"""A server that a test starts, and ends by its pid."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar


class ServerProcess:
    """One at a time: what is killed or stopped may be started again."""

    STOP_TIMEOUT_S: ClassVar[float] = 10.0
    """Of an orderly end; then it is killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Also while it is frozen."""
        return self._process is not None

    def kill(self) -> None:
        """kill -9; idempotent."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end; idempotent."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """It answers nothing, and its sockets stay open."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def _launch(
        self,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Does not wait. `log` is appended to."""
        assert self._process is None, "already started"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(self.STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(self.STOP_TIMEOUT_S)
