"""House rules that a machine can hold."""

import re
from pathlib import Path

import grpc
import pytest

from tests.house.tree import ROOT, code, text_of, written

MOST_LINES = 300
MOST_LINES_OF_A_TEST = 400
SAYING_NOTHING = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
OF_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|opt/wheels|usr/local/go)\b")
RPC = re.compile(r"((?:^[ \t]*//.*\n)*)^[ \t]*rpc (\w+)\(", re.MULTILINE)
CODES = {status.name for status in grpc.StatusCode} - {"OK"}


def test_no_file_is_long() -> None:
    lengths = {str(path): text_of(path).count("\n") for path in code()}
    assert {path: lines for path, lines in lengths.items() if lines > most(path)} == {}


def most(path: str) -> int:
    return MOST_LINES_OF_A_TEST if path.startswith("tests/") else MOST_LINES


def test_every_module_has_a_name_that_says_something() -> None:
    modules = [path for path in code() if path.suffix in {".py", ".go", ".proto"}]
    assert [str(path) for path in modules if SAYING_NOTHING & {path.stem, *path.parts[:-1]}] == []


def test_nothing_is_left_for_later() -> None:
    assert [str(path) for path in written() if LEFTOVERS.search(text_of(path))] == []


def test_nothing_names_one_machine() -> None:
    assert [str(path) for path in written() if OF_ONE_MACHINE.search(text_of(path))] == []


def test_every_package_of_tests_can_be_imported_by_name() -> None:
    folders = {
        path.parent for path in written() if path.suffix == ".py" and path.parts[0] == "tests"
    }
    assert [
        str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()
    ] == []


PROTOS = [path for path in written() if path.suffix == ".proto"]
RPCS = [
    pytest.param(comment, id=f"{path.stem}.{name}")
    for path in PROTOS
    for comment, name in RPC.findall(text_of(path))
]


@pytest.mark.parametrize("comment", RPCS)
def test_every_call_says_how_it_can_end(comment: str) -> None:
    assert CODES & set(re.findall(r"[A-Z_]+", comment))


@pytest.mark.parametrize("path", PROTOS, ids=str)
def test_what_is_internal_says_so_in_its_first_line(path: Path) -> None:
    public = {
        "event",
        "ingestion_service",
        "notification",
        "notification_service",
        "outcome",
        "presence_service",
        "reason",
    }
    assert text_of(path).startswith("// Internal.") == (path.stem not in public)
