"""An authority of a test's own, which signs certificates with openssl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HOST = "subjectAltName=IP:127.0.0.1"


@dataclass(frozen=True)
class Authority:
    """Signs certificates; each is NAME.pem with NAME.key."""

    directory: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.pem"

    def found(self) -> None:
        self._openssl("req", "-x509", *self._new("ca"), "-subj", "/CN=ca")

    def sign(self, name: str, extension: str = HOST) -> tuple[Path, Path]:
        by = ("-CA", str(self.certificate), "-CAkey", str(self.directory / "ca.key"))
        self._openssl(
            "req", "-x509", *self._new(name), *by, "-subj", f"/CN={name}", "-addext", extension
        )
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def _new(self, name: str) -> tuple[str, ...]:
        files = (
            "-keyout",
            str(self.directory / f"{name}.key"),
            "-out",
            str(self.directory / f"{name}.pem"),
        )
        return (
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            *files,
        )

    def _openssl(self, *arguments: str) -> None:
        binary = shutil.which("openssl")
        if binary is None:
            pytest.skip("openssl is missing: apt-get install openssl")
        subprocess.run([binary, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.found()
    return authority
