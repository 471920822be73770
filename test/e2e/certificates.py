# SPDX-License-Identifier: BSD-3-Clause
"""Certificates for tests, made in a directory of the test's own."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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


class Authority:
    """A certification authority: of its own root, or below `above`."""

    def __init__(self, directory: Path, name: str, above: Authority | None = None) -> None:
        self.directory, self.name, self.above = directory, name, above
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (above or self)._sign(self.subject, self.key.public_key(), [
            x509.BasicConstraints(True, None)])
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[x509.ExtensionType],
              days: tuple[int, int] = (-2, 2)) -> x509.Certificate:
        now = datetime.datetime.utcnow().replace(microsecond=0)
        builder = x509.CertificateBuilder(
            self.subject, subject, key, x509.random_serial_number(), *(now + datetime.timedelta(d) for d in days))
        for extension in extensions:
            builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, *names: str, days: tuple[int, int] = (-2, 2), server: bool = False,
              above: bool = True) -> Certificate:
        """For a client, or a server with DNS names and addresses; its file has the authority's too, if `above`."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([usage])]
        if names:
            extensions.append(x509.SubjectAlternativeName([
                x509.DNSName(n) if not n[0].isdigit() else x509.IPAddress(ipaddress.ip_address(n)) for n in names]))
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Weir, \"x\""),
                             x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = Certificate(name, self.directory / f"{name}.pem", self.directory / f"{name}.key")
        leaf = self._sign(subject, key.public_key(), extensions, days)
        made.certificate.write_bytes(leaf.public_bytes(Encoding.PEM) +
                                     (self.pem if above and self.above is not None else b""))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def revoke(self, *certificates: Certificate) -> bytes:
        """A list of revoked certificates, as PEM."""
        now = datetime.datetime.utcnow()
        builder = x509.CertificateRevocationListBuilder(self.subject, now - datetime.timedelta(1),
                                                        now + datetime.timedelta(1))
        for c in certificates:
            serial = x509.load_pem_x509_certificate(c.certificate.read_bytes()).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(serial, now - datetime.timedelta(1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
