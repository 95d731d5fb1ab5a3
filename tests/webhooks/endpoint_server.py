"""An endpoint on loopback for tests of the way to it: certificates of every kind, answers of every kind.

One port can take TLS, plain HTTP, or both (told apart by the first byte). No answer depends on what was asked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID


class Authority:
    """A certificate authority of a test; with a parent, an intermediate one."""

    def __init__(self, name: str, parent: Authority | None = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        signer = parent or self
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.key, hashes.SHA256())
        )

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.pem().decode())

    def issue(
        self,
        folder: Path,
        *hosts: str,
        days: float = 90,
        own: bool = False,
        chain: bool = True,
        aia: bool = False,
        more: x509.ExtensionType | None = None,
    ) -> ssl.SSLContext:
        """A server's context for `hosts`. `own`: signed by itself; `chain` False: without the intermediate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint")])
        names = [_name(host) for host in hosts]
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=100))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        if aia:
            where = x509.UniformResourceIdentifier("http://ca.invalid/issuer.der")
            access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        if more is not None:
            builder = builder.add_extension(more, critical=False)
        leaf = builder.sign(key if own else self.key, hashes.SHA256())
        pems = leaf.public_bytes(serialization.Encoding.PEM)
        if chain and self.parent is not None:
            pems += self.pem()
        pems += key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / f"endpoint-{x509.random_serial_number()}.pem"
        path.write_bytes(pems)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def answer(status: int = 401, body: bytes = b"", date: datetime | str | None = None, **headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.title()}: {value}" for name, value in headers.items()]
    if date is not None:
        said = date if isinstance(date, str) else format_datetime(date.astimezone(UTC), usegmt=True)
        lines.append(f"Date: {said}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Endpoint:
    """`with Endpoint(context) as endpoint`. `secured` and `plain` are what is answered over TLS and without it; None:
    that kind of connection is closed. `seen` holds the first line of every request that came."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        secured: bytes | None = None,
        plain: bytes | None = None,
        drip: bool = False,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._context = context
        self._secured = answer(date=datetime.now(UTC)) if secured is None else secured
        self._plain = plain
        self._drip = drip
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        self.url = f"{'http' if context is None else 'https'}://{shown}:{self.port}/hooks/vendor"
        self.seen: list[bytes] = []

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(10)
                if self._context is None or connection.recv(1, socket.MSG_PEEK) != b"\x16":
                    self._say(connection, self._plain)
                    return
                with self._context.wrap_socket(connection, server_side=True) as stream:
                    self._say(stream, self._secured)
        except OSError:
            return  # a client that goes away is what these tests are about

    def _say(self, stream: socket.socket, data: bytes | None) -> None:
        request = stream.recv(65536)
        if not request or data is None:
            return
        self.seen.append(request.partition(b"\r\n")[0])
        if not self._drip:
            stream.sendall(data)
            return
        for byte in data:
            stream.sendall(bytes([byte]))
            time.sleep(0.05)
