# SPDX-License-Identifier: BSD-3-Clause
"""Certificates for tests, made by openssl in a directory of the test's own."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Certificate:
    """One with its key, as PEM files."""

    name: str
    certificate: Path
    key: Path

    def section(self) -> str:
        return f"[certificate {self.name}]\ncertificate = {self.certificate}\nprivate_key = {self.key}\n"


def make_certificate(directory: Path, name: str, *names: str, key: str = "ec", days: int = 2) -> Certificate:
    """A self-signed certificate for DNS names; key: ec or rsa."""
    made = Certificate(name, directory / f"{name}.pem", directory / f"{name}.key")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", "rsa:2048"]
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", *kind, "-keyout", made.key, "-out", made.certificate, "-days", str(days),
         "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)],
        check=True, capture_output=True)
    return made
