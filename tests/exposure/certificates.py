"""A throw-away certificate authority, and folders of ca.pem, cert.pem and key.pem for a scheduler over TLS."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Signs certificates for this test alone."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = _certificate(self._name, self._name, self._key, self._key, authority=True)

    def folder(self, path: Path, trusts: Authority | None = None) -> Path:
        """A folder with a certificate of this authority, that trusts another one (else this)."""
        path.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.name)])
        own = _certificate(name, self._name, key, self._key, authority=False)
        form = serialization.Encoding.PEM
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (path / "ca.pem").write_bytes((trusts or self).certificate.public_bytes(form))
        (path / "cert.pem").write_bytes(own.public_bytes(form))
        (path / "key.pem").write_bytes(key.private_bytes(form, *plain))
        (path / "key.pem").chmod(0o600)
        return path


def _certificate(
    name: x509.Name,
    signer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(signer, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=1)
    )
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    return builder.add_extension(known, critical=False).sign(signing, hashes.SHA256())
