"""The continuous run has no silent holes."""

import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = "import pytest\ndef test_passes(): pass\n@pytest.mark.skip(reason='no server')\ndef test_skips(): pass\n"
SKIPPING_MODULE = "import pytest\npytest.skip('no server', allow_module_level=True)\n"
PASSING = "def test_passes(): pass\n"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (PASSING, pytest.ExitCode.OK, "1 passed"),
        (SKIPPING, pytest.ExitCode.TESTS_FAILED, "test_skips: Skipped: no server"),
        (SKIPPING_MODULE, pytest.ExitCode.NO_TESTS_COLLECTED, "Skipped: no server"),
        (SKIPPING_MODULE + PASSING, pytest.ExitCode.NO_TESTS_COLLECTED, "Skipped: no server"),
    ],
)
def test_a_skip_fails_the_run_by_name(
    tmp_path: Path, text: str, code: pytest.ExitCode, word: str
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.house.no_skips"),
            *("-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert word in run.stdout
