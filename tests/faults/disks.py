"""File systems of a process's own: small, so that they can be full, and ended as by a power failure. Each is mounted in a namespace that ends with whoever made it."""

import contextlib
import fcntl
import os
import shlex
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["ext4", "tmpfs"]

_SHUT_DOWN = 0x8004587D
_NOTHING_FLUSHED = struct.pack("I", 2)
"""EXT4_IOC_SHUTDOWN, as file systems are tested by it: from now on nothing reaches the device, not even its journal."""

TRY_MIB = 16
RESERVE_BYTES = 1 << 20
"""The ballast grows by so much, and at last by a page."""


class NotMountable(Exception):
    """Why there are no such file systems here."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Of commands in a namespace of mounts."""

    enter: Sequence[str]

    def run(self, script: str) -> None:
        """Raises NotMountable with what it said."""
        done = subprocess.run(
            [*self.enter, "sh", "-ec", script], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotMountable(done.stderr.strip() or f"{script}: {done.returncode}")


class Disk:
    """Mounted on `place` for processes that are started with `prefix`; everybody else sees an empty directory there."""

    def __init__(self, place: Path, mib: int, kind: Kind) -> None:
        """Raises NotMountable."""
        place.mkdir(parents=True, exist_ok=True)
        self._place = place
        self._image = place.with_name(f"{place.name}.img")
        try:
            self._keeper, namespaces = _keeper([]), ["--mount"]
        except NotMountable:
            self._keeper = _keeper(["--user", "--map-root-user"])
            namespaces = ["--user", "--preserve-credentials", "--mount"]
        self.prefix = ["nsenter", f"--target={self._keeper.pid}", *namespaces, "--wd", "--"]
        self._shell = Shell(self.prefix)
        where, image = shlex.quote(str(place)), shlex.quote(str(self._image))
        self._mount = f"mount -o loop {image} {where}"
        try:
            if kind == "tmpfs":
                self._shell.run(f"mount -t tmpfs -o size={mib}m reno {where}")
            else:
                self._shell.run(f"truncate -s {mib}M {image}; mkfs.ext4 -q -m 0 {image}")
                self._shell.run(self._mount)
        except NotMountable:
            self.close()
            raise

    @property
    def inside(self) -> Path:
        """The place as its processes see it."""
        return Path("/proc", str(self._keeper.pid), "root", *self._place.parts[1:])

    def fill(self) -> None:
        """Until there is no room, also of what became free since it was filled."""
        with (self.inside / "ballast").open("ab") as ballast:
            for step in (RESERVE_BYTES, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        end = os.fstat(ballast.fileno()).st_size
                        os.posix_fallocate(ballast.fileno(), end, step)

    def empty(self) -> None:
        """There is room again."""
        (self.inside / "ballast").unlink(missing_ok=True)

    def lose_power(self) -> None:
        """What was not written to the disk yet is lost. Its processes must stand still, and be killed before `repair`."""
        place = os.open(self.inside, os.O_RDONLY)
        try:
            fcntl.ioctl(place, _SHUT_DOWN, _NOTHING_FLUSHED)
        finally:
            os.close(place)

    def repair(self) -> None:
        """Power is back: the file system's journal is replayed."""
        self._shell.run(f"umount {shlex.quote(str(self._place))}; {self._mount}")

    def close(self) -> None:
        """Its processes have ended."""
        self._keeper.communicate()
        self._image.unlink(missing_ok=True)


def _keeper(more: Sequence[str]) -> subprocess.Popen[bytes]:
    """Holds a namespace of mounts, and ends when this process does: nobody else has the end of its pipe. Raises NotMountable."""
    try:
        keeper = subprocess.Popen(
            ["unshare", "--mount", *more, "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise NotMountable(str(error)) from error
    assert keeper.stdout is not None
    if keeper.stdout.readline() != b"ready\n":
        raise NotMountable(keeper.communicate()[1].decode().strip())
    return keeper


@cache
def mountable() -> tuple[Kind | None, str]:
    """The best kind that this process may mount; None, and why."""
    why = []
    kinds: tuple[Kind, ...] = ("ext4", "tmpfs")
    with tempfile.TemporaryDirectory(prefix="reno-disk-") as place:
        for kind in kinds:
            try:
                disk = Disk(Path(place) / kind, TRY_MIB, kind)
                if kind == "ext4":
                    disk.lose_power()
                    disk.repair()
                disk.close()
            except (NotMountable, OSError) as error:
                why.append(f"{kind}: {error}")
            else:
                return kind, ""
    return None, "; ".join(why)
