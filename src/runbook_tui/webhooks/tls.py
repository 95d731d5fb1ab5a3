"""TLS handshakes with one address of an endpoint, and what is wrong with its certificate when one fails."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from runbook_tui.foundation.text import one_line
from runbook_tui.net.fault import NetFault

Connect = Callable[[], socket.socket]  # a new connection whose timeout is what a handshake may take; raises NetFault
Trust = Callable[[], ssl.SSLContext]  # a new context that verifies

# OpenSSL's X509_V_ERR_* (include/openssl/x509_vfy.h).
_OTHER_HOST = frozenset({62, 64})  # of a name, of an address
_FAULTS = {9: "not_yet", 10: "expired", 18: "self_signed", 19: "unknown_root", 20: "no_issuer", 21: "no_issuer"}
_VERSION_REFUSED = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"})
# Said by the OpenSSL here, not by the endpoint: this build does not speak the version.
_OURS = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "NO_CIPHER_MATCH"})
_OLD = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
OLD_VERSIONS = tuple(_OLD)


@dataclass(frozen=True)
class TlsResult:
    """A verifying handshake of TLS 1.2 or newer.

    `faults` is empty when all was well, else some of: `host`, `expired`, `not_yet`, `self_signed`, `unknown_root`,
    `no_issuer`, `invalid` (all about the certificate), `version` (only older ones are spoken), `broken` (no handshake).
    """

    faults: tuple[str, ...] = ()
    detail: str = ""  # more about the fault, in words
    version: str = ""  # "TLSv1.3"
    expires: float | None = None  # POSIX seconds; only of a certificate that was verified


def public_trust() -> ssl.SSLContext:
    """What the guarded client trusts: the public authorities."""
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def look(connect: Connect, host: str, trust: Trust) -> TlsResult:
    """Shake hands as a vendor does, and once more when that names better what is wrong."""
    first = _verified(connect, host, verifying(trust))
    if first.faults == ("host",):  # OpenSSL compares the name before the dates
        context = verifying(trust)
        context.check_hostname = False
        second = _verified(connect, host, context)
        return replace(second, faults=("host", *second.faults), detail=first.detail)
    if first.faults == ("no_issuer",):
        return replace(first, detail=_issuer(connect, host))
    return first


def accepts(connect: Connect, host: str, name: str) -> bool | None:
    """Whether the endpoint still speaks the old version `name`; None when that cannot be told from here."""
    context = _careless()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        try:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = _OLD[name]
        except (ValueError, ssl.SSLError):
            return None
    try:
        with secured(connect(), context, host):
            return True
    except (NetFault, TimeoutError):
        return None
    except ssl.SSLError as error:
        return None if error.reason in _OURS else False
    except OSError:
        return False  # hanging up is a refusal, too


def verifying(trust: Trust) -> ssl.SSLContext:
    """A context of `trust` that verifies the chain and the host name, whatever it was made with."""
    context = trust()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def secured(connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """`connection` under TLS; closed when that fails."""
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _verified(connect: Connect, host: str, context: ssl.SSLContext) -> TlsResult:
    try:
        with secured(connect(), context, host) as stream:
            until = (stream.getpeercert() or {}).get("notAfter")
            expires = float(ssl.cert_time_to_seconds(str(until))) if until else None
            return TlsResult(version=stream.version() or "", expires=expires)
    except ssl.SSLCertVerificationError as error:
        fault = "host" if error.verify_code in _OTHER_HOST else _FAULTS.get(error.verify_code, "invalid")
        return TlsResult((fault,), one_line(error.verify_message))
    except (NetFault, TimeoutError):
        return TlsResult(("broken",), "it did not finish in time")
    except ssl.SSLError as error:
        fault = "version" if error.reason in _VERSION_REFUSED else "broken"
        return TlsResult((fault,), one_line(error.reason or "no reason given").replace("_", " ").lower())
    except OSError:
        return TlsResult(("broken",), "the connection broke")


def _careless() -> ssl.SSLContext:
    """A context that verifies nothing: to look, never to send."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _issuer(connect: Connect, host: str) -> str:
    """In words, why the chain leads nowhere, from the certificate as it was sent: a hint that proves nothing."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        with secured(connect(), _careless(), host) as stream:
            leaf = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True) or b"")
        issuer = one_line(leaf.issuer.rfc4514_string())
    except (NetFault, OSError, ValueError, x509.InvalidVersion):
        return ""
    either = f"{issuer} is no public authority, or its intermediate certificate is not sent along"
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return either
    if any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access):
        return f"most likely the intermediate certificate of {issuer} is not sent along"
    return either
