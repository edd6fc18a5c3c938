"""Runs a command that ends when its parent does: python -m reno.cli.tether PARENT_PID COMMAND...

The kernel keeps the tie across exec, so it holds for programs that know nothing of it; where there is no such call (only Linux has it) the command runs without.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tethered(parent_pid: int, command: list[str]) -> list[str]:
    """The command line that runs `command` tied to the parent; the process keeps its pid."""
    return [sys.executable, "-m", "reno.cli.tether", str(parent_pid), *command]


def main() -> None:
    """Ends at once when the parent has gone before the tie was there."""
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent_pid:
            sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
