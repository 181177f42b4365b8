"""A certificate authority of this machine's own, for clients that want a venue-like name over TLS.

Some clients read the class of an error from the host name they talk to. They are pointed at a name
such as ``demo-fapi.localhost``, which resolves to the loopback address, and trust this authority.
Keys stay in one folder that only its owner may read; nothing is added to the system's trust store.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = (
    "localhost",
    "demo-fapi.localhost",
    "fapi.localhost",
    "fstream.localhost",
    "api.hyperliquid.localhost",
)
_DAYS = 825


class Authority(msgspec.Struct, frozen=True):
    """Files of the authority and of the server's certificate it signed."""

    authority: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """For the exchange's sockets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.authority))


def ensure(folder: Path, *, now: datetime.datetime, names: Sequence[str] = NAMES) -> Authority:
    """The authority in a folder, made when it is missing or about to expire."""
    found = Authority(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    if all(path.exists() for path in (found.authority, found.chain, found.key)):
        held = x509.load_pem_x509_certificate(found.chain.read_bytes())
        if held.not_valid_after_utc > now + datetime.timedelta(days=7):
            return found
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name("Interlock local exchange authority")
    root = (
        _certificate(root_name, root_name, root_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    leaf = (
        _certificate(_name("Interlock local exchange"), root_name, key, now)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found.key.touch(mode=0o600)
    found.key.write_bytes(private)
    found.chain.write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
    found.authority.write_bytes(root.public_bytes(pem))
    return found


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
