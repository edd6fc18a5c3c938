"""Where a device in the terminal keeps its cursor."""

import os
from pathlib import Path
from urllib.parse import quote

from reno.cli.fault import Fault


def default_path(member: str, device: str, environment: dict[str, str] | None = None) -> Path:
    """$XDG_STATE_HOME/reno/cursors/<member>/<device>; two devices never share a path, and none leaves the directory."""
    named = os.environ if environment is None else environment
    state = Path(named.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "reno" / "cursors" / _as_name(member) / _as_name(device)


def _as_name(text: str) -> str:
    # quote() leaves dots alone, and "." and ".." are no file names. Upper and lower case stay apart where the file system keeps them apart.
    return quote(text, safe="").replace(".", "%2E")


class CursorFile:
    """One cursor. Written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Empty when there is none. Raises Fault when it cannot be read."""
        try:
            return self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise Fault(f"cannot read the cursor in {self._path}: {error}") from error

    def write(self, cursor: str) -> None:
        """Call it after what came before the cursor was handled. Raises Fault when the disk refuses."""
        if not cursor:
            return
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(cursor + "\n", encoding="ascii")
            fresh.replace(self._path)
        except OSError as error:
            raise Fault(f"cannot keep the cursor in {self._path}: {error}") from error

    @property
    def path(self) -> Path:
        """For messages."""
        return self._path
