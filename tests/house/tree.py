"""The project's own files, as a reader meets them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ("reno/v1/", "buf/", "protos/buf/", "clients/go/renov1/")
NOT_WRITTEN = {"LICENSE", "requirements.lock", "clients/go/go.sum"}
CODE = {".py", ".pyi", ".proto", ".go", ".toml", ".sh", ".yaml", ".yml"}


def written() -> list[Path]:
    """Files written by hand, committed or about to be; paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name for name in listed.stdout.split("\0") if name} - NOT_WRITTEN
    return [
        Path(name)
        for name in sorted(names)
        if not name.startswith(GENERATED) and (ROOT / name).is_file()
    ]


def code() -> list[Path]:
    """Of these, programs and scripts."""
    return [
        path
        for path in written()
        if path.suffix in CODE or path.parts[0] in {"scripts", ".ci"} or path.name == "Makefile"
    ]


def text_of(path: Path) -> str:
    """What the file says; empty for what is no text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
