"""Disks of a run: full when they are filled, and without what was not synced after a power failure. Where nothing may be mounted, the strikes that need them are left out by name."""

import subprocess
from pathlib import Path

from tests.faults.disks import Disk, mountable
from tests.faults.shapes import NEED_DISKS, Shape, fitted

MIB = 16
WRITE = "dd if=/dev/zero of=file bs=4096 count=1"
WRITE_TWO = "echo here > kept; sync kept; echo here > lost"


def test_a_disk_is_full_has_room_again_and_loses_what_was_not_synced(tmp_path: Path) -> None:
    kind, _ = mountable()
    if kind is None:
        return
    place = tmp_path / "disk"
    disk = Disk(place, MIB, kind)
    try:
        disk.fill()
        assert "No space left" in inside(disk, place, WRITE).stderr
        disk.empty()
        assert inside(disk, place, WRITE).returncode == 0
        assert not any(place.iterdir())
        assert inside(disk, place, WRITE_TWO).returncode == 0
        if kind == "ext4":
            disk.lose_power()
            disk.repair()
            lost = disk.inside / "lost"
            assert (disk.inside / "kept").read_text() == "here\n"
            assert not lost.exists() or not lost.read_bytes().strip(b"\0")
    finally:
        disk.close()


def test_what_cannot_be_made_here_is_left_out_by_name() -> None:
    kind, _ = mountable()
    assert fitted(Shape(), {"kill"}) == (Shape(), {})
    shape, left_out = fitted(Shape(), {"kill", *NEED_DISKS})
    assert shape.disk == kind
    assert set(left_out) == {strike for strike, kinds in NEED_DISKS.items() if kind not in kinds}


def inside(disk: Disk, place: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [*disk.prefix, "sh", "-ec", f"cd {place}; {script}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
