"""HTTPS: the operator's certificate, or one of our own making for a phone in the same network.

Browsers give a page the microphone over HTTPS or on the very machine only. A certificate that nobody
vouches for is warned about once and then does.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from selam_agent.errors import SettingsError
from selam_agent.settings import Server

if TYPE_CHECKING:
    from cryptography import x509

# Apple's systems refuse certificates of servers that are valid for longer than 825 days.
_VALID = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)
# RFC 5737: nobody's address. Connecting a UDP socket sends nothing; it only chooses the way out.
_ELSEWHERE = ("192.0.2.1", 9)


def context(server: Server) -> ssl.SSLContext | None:
    """What the settings ask for: None without TLS.

    Raises:
        SettingsError: half of a pair, files that cannot be used, or nothing can be written.
    """
    if (server.tls_cert is None) != (server.tls_key is None):
        raise SettingsError("server.tls_cert, server.tls_key: name both or neither")
    if server.tls_cert is not None and server.tls_key is not None:
        return _loaded(server.tls_cert, server.tls_key)
    if server.tls == "auto":
        return _loaded(*_own(server.data_dir / "tls"))
    return None


def lan_address() -> str | None:
    """This machine's address in its network, if it has one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        address = str(probe.getsockname()[0])
        if not ipaddress.ip_address(address).is_loopback:
            return address
    return None


def _loaded(certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"server.tls_cert, server.tls_key: {certificate}, {key} cannot be used: {reason}"
        ) from error
    return made


def _own(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of our own, made anew when they expire soon or the address has changed."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = _names()
    if not (key.is_file() and _serves(certificate, names)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(certificate, key, names)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(f"server.tls: nothing can be written in {folder}: {reason}") from error
    return certificate, key


def _names() -> list[str]:
    addresses = ["127.0.0.1", "::1"]
    if (lan := lan_address()) is not None:
        addresses.append(lan)
    host = socket.gethostname()
    names = ["localhost", *([host] if host.isascii() and len(host) < 64 else [])]
    return [*names, *addresses]


def _serves(certificate: Path, names: list[str]) -> bool:
    from cryptography import x509

    try:
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        listed = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    have = {*listed.get_values_for_type(x509.DNSName)}
    have |= {str(each) for each in listed.get_values_for_type(x509.IPAddress)}
    return known.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE and set(names) <= have


def _make(certificate: Path, key: Path, names: list[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "selam-agent")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        # An hour ago: the phone's clock may be late.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
