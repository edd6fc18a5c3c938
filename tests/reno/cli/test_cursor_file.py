from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.cli.cursor_file import CursorFile, default_path
from reno.cli.fault import Fault

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@given(names, names, names, names)
def test_no_two_devices_share_a_path_and_none_leaves_the_directory(
    member: str, device: str, other_member: str, other_device: str
) -> None:
    environment = {"XDG_STATE_HOME": "/state"}
    path = default_path(member, device, environment)
    assert path.parent.parent == Path("/state/reno/cursors")
    assert ".." not in path.parts
    same = (member, device) == (other_member, other_device)
    assert (default_path(other_member, other_device, environment) == path) == same


def test_the_state_directory_is_in_the_home_by_default() -> None:
    assert default_path("anna", "tv-1", {}).relative_to(Path.home()) == Path(
        ".local/state/reno/cursors/anna/tv-1"
    )


def test_a_cursor_is_kept_whole(tmp_path: Path) -> None:
    cursors = CursorFile(tmp_path / "deep" / "tv-1")
    assert cursors.read() == ""
    cursors.write("abc-_1")
    cursors.write("")
    assert cursors.read() == "abc-_1"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["tv-1"]


def test_a_cursor_that_cannot_be_kept_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot keep the cursor"):
        CursorFile(tmp_path / "file" / "tv-1").write("abc")
    with pytest.raises(Fault, match="cannot read the cursor"):
        CursorFile(tmp_path).read()
