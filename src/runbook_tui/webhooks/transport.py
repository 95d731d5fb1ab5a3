"""What the way to an endpoint is worth, before anything that carries a secret goes there.

`examine` looks (`probing.gather`) and judges (`judge`, pure).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from runbook_tui.net.client import Timing
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.probing import Facts, Reached, Reply, gather
from runbook_tui.webhooks.urls import PLACEHOLDER, with_token

_EXPIRES_SOON = 14 * 86400  # seconds
_SKEW_LIMIT = 30.0  # seconds
_NO_CLOCK = 100 * 366 * 86400.0  # seconds; a clock that was never set is 56 years and more behind, none is further off
_MAY_SEND = frozenset({"pass", "warn", "not_applicable"})
_CERTIFICATE = ("host", "expired", "not_yet", "self_signed", "unknown_root", "no_issuer", "invalid")
_CHAIN = {
    "self_signed": "it is signed by itself",
    "unknown_root": "it leads to an authority that is not trusted",
    "no_issuer": "the chain leads to no trusted authority",
    "invalid": "the chain is not valid",
    "broken": "no TLS handshake",
}
_TITLES = {
    "address": "The host has addresses that may be used",
    "ipv4": "IPv4 addresses accept a connection",
    "ipv6": "IPv6 addresses accept a connection",
    "tls-chain": "The certificate's chain leads to a trusted authority",
    "tls-host": "The certificate is for this host",
    "tls-expiry": "The certificate is valid for more than 14 days",
    "tls-version": "TLS 1.2 or newer is spoken",
    "tls-old": "TLS 1.0 and 1.1 are refused",
    "plain-http": "Plain HTTP does not lead to the endpoint",
    "redirect": "The endpoint does not redirect",
    "clock": "The endpoint's clock agrees with ours",
}
_NO_REPLY = {
    "refused": "the connection was refused",
    "timeout": "it did not come in time",
    "tls": "the TLS connection failed",
    "cut": "the connection broke",
    "garbled": "what came is not HTTP",
}


@dataclass(frozen=True)
class Transport:
    """The findings on the way to an endpoint.

    `safe_to_send`: a request that carries a secret may go there. True only when TLS is good on every address that
    accepts connections (or the endpoint is this machine), plain HTTP does not serve it, and nothing redirects.
    An address where nobody listens is a failure of its own, but no danger: nothing can be sent to it.
    `skew` is how far the endpoint's clock is ahead of ours (negative: behind) in seconds, None when it did not say.
    `timing` is that of one unsigned request; `requests` counts the HTTP requests made.
    """

    findings: tuple[Finding, ...]
    safe_to_send: bool
    skew: float | None
    timing: Timing | None
    requests: int

    def data(self) -> dict[str, Any]:
        timing = self.timing
        return {
            "findings": [finding.data() for finding in self.findings],
            "safe_to_send": self.safe_to_send,
            "skew": None if self.skew is None else round(self.skew, 1),
            "milliseconds": None
            if timing is None
            else {part: None if took is None else round(took * 1000, 1) for part, took in asdict(timing).items()},
        }


def address_of(url: str, *, path_token: bool = False) -> str:
    """The address to look at instead of the endpoint `url`: no query, and a random token where the secret one goes.

    `path_token`: the scheme puts its secret into the path (`url` is without it, or holds `{token}`).
    """
    base = url.partition("?")[0]
    return with_token(base, secrets.token_hex(24)) if path_token or PLACEHOLDER in base else base


def examine(url: str, *, path_token: bool = False, tolerance: float | None = None, **looking: Any) -> Transport:
    """Look at the way to `url` and judge it; `looking` goes to `probing.gather` (`clock` is required).

    At most two HTTP requests, no secret in either. `tolerance` is the scheme's, in seconds, for the clock.
    """
    facts = gather(address_of(url, path_token=path_token), **looking)
    return judge(facts, looking["clock"].now(), tolerance=tolerance)


def judge(facts: Facts, now: datetime, *, tolerance: float | None = None) -> Transport:
    """The findings of `facts`; pure. `tolerance`: seconds a signed time may be off, None when none is signed."""
    if facts.refused or facts.target is None:
        nothing = [_finding(name, "inconclusive", "nothing was contacted") for name in _TITLES if name != "address"]
        return Transport((_finding("address", "fail", facts.refused), *nothing), False, None, None, 0)
    skew = _skew(facts.reply)
    findings = [
        _finding("address", "pass", f"{len(facts.reached)} tried"),
        _family(facts.reached, 4),
        _family(facts.reached, 6),
        *_tls(facts, now),
        _old_versions(facts),
        _twin(facts),
        _redirect(facts),
        _clock(facts, skew, tolerance),
    ]
    must = {"tls-chain", "tls-host", "tls-expiry", "tls-version"}
    safe = (
        any(one.good for one in facts.reached)
        and all(finding.verdict in _MAY_SEND for finding in findings if finding.id in must)
        and all(finding.verdict != "fail" for finding in findings if finding.id in ("plain-http", "redirect"))
    )
    return Transport(tuple(findings), safe, skew, facts.reply.timing if facts.reply else None, facts.requests)


def _finding(name: str, verdict: str, reason: str) -> Finding:
    return Finding(name, _TITLES[name], verdict, reason)


def _family(reached: Sequence[Reached], version: int) -> Finding:
    name = f"ipv{version}"
    mine = [one for one in reached if one.family == version]
    if not mine:
        return _finding(name, "not_applicable", f"the host has no IPv{version} address")
    faults = [one for one in mine if one.fault]
    if not faults:
        return _finding(name, "pass", ", ".join(one.address for one in mine))
    words = {"no_route": "there is no way to it from this machine", "timeout": "no connection in time"}
    first = faults[0]
    reason = f"{first.address}: {words.get(first.fault, f'the connection was not made ({first.fault})')}"
    return _finding(name, "inconclusive" if all(one.fault == "no_route" for one in faults) else "fail", reason)


def _tls(facts: Facts, now: datetime) -> list[Finding]:
    names = ("tls-chain", "tls-host", "tls-expiry", "tls-version")
    if facts.plain:
        return [_finding(name, "not_applicable", "plain HTTP, to this machine only") for name in names]
    shaken = [(one.address, one.handshake) for one in facts.reached if one.handshake is not None]
    if not shaken:
        return [_finding(name, "inconclusive", "no connection") for name in names]
    bad = next((pair for pair in shaken if pair[1].faults), None)
    if bad is None:
        return [
            _finding("tls-chain", "pass", "verified on every address that was reached"),
            _finding("tls-host", "pass", "verified"),
            _expiry(min(hand.expires for _, hand in shaken if hand.expires is not None), now),
            _finding("tls-version", "pass", ", ".join(sorted({hand.version for _, hand in shaken}))),
        ]
    where, hand = bad
    faults, detail = set(hand.faults), f": {hand.detail}" if hand.detail else ""
    unknown = "not judged, because the connection was refused for another reason"
    chain = next((fault for fault in faults if fault in _CHAIN), "")
    spoken = faults & set(_CERTIFICATE)  # the handshake got as far as the certificate, in TLS 1.2 or newer
    trusted = faults <= {"host"}
    return [
        _finding("tls-chain", "fail", f"{where}: {_CHAIN[chain]}{detail}")
        if chain
        else _finding("tls-chain", *(("pass", "verified") if trusted else ("inconclusive", unknown))),
        _finding("tls-host", "fail", f"{where}: the certificate is for another host{detail}")
        if "host" in faults
        else _finding("tls-host", "inconclusive", unknown),
        _dates(faults, where)
        or (_expiry(hand.expires, now) if hand.expires else _finding("tls-expiry", "inconclusive", unknown)),
        _finding("tls-version", "fail", f"{where}: only versions before TLS 1.2 are spoken{detail}")
        if "version" in faults
        else _finding("tls-version", *(("pass", "1.2 or newer") if spoken else ("inconclusive", unknown))),
    ]


def _dates(faults: set[str], where: str) -> Finding | None:
    if "expired" in faults:
        return _finding("tls-expiry", "fail", f"{where}: a certificate of the chain has expired")
    if "not_yet" in faults:
        return _finding("tls-expiry", "fail", f"{where}: a certificate of the chain is not valid yet")
    return None


def _expiry(expires: float, now: datetime) -> Finding:
    left = expires - now.timestamp()
    day = datetime.fromtimestamp(expires, UTC).date().isoformat()
    verdict = "fail" if left <= 0 else "pass" if left > _EXPIRES_SOON else "warn"
    return _finding("tls-expiry", verdict, f"until {day}, {left / 86400:.0f} days from now")


def _old_versions(facts: Facts) -> Finding:
    if facts.plain:
        return _finding("tls-old", "not_applicable", "plain HTTP, to this machine only")
    spoken = [name for name, answer in facts.old_versions.items() if answer]
    if spoken:
        return _finding("tls-old", "warn", f"{' and '.join(spoken)} still accepted: switch them off")
    if not facts.old_versions or None in facts.old_versions.values():
        return _finding("tls-old", "inconclusive", "could not be asked from here")
    return _finding("tls-old", "pass", "both refused")


def _twin(facts: Facts) -> Finding:
    """The same refusal as over TLS is a warning: a plain GET does not show what a signed delivery would get."""
    twin, reply = facts.twin, facts.reply
    if facts.plain:
        return _finding("plain-http", "not_applicable", "plain HTTP, to this machine only")
    if twin is None:
        return _finding("plain-http", "inconclusive", "was not asked")
    where = f"port {facts.twin_port}"
    if twin.fault in ("no_route", "blocked"):
        return _finding("plain-http", "inconclusive", f"{where} could not be asked from here")
    if twin.fault:
        return _finding("plain-http", "pass", f"{where} does not speak plain HTTP ({twin.fault})")
    if 200 <= twin.status < 300:
        return _finding("plain-http", "fail", f"{where} answers {twin.status} to the same path without TLS")
    if 300 <= twin.status < 400:
        return _finding("plain-http", "pass", f"{where} redirects ({twin.status}) and serves nothing")
    if reply is not None and reply.status == twin.status and twin.status not in (403, 404, 410):
        said = f"{where} answers {twin.status} as the endpoint itself does: it may take deliveries without TLS"
        return _finding("plain-http", "warn", said)
    return _finding("plain-http", "pass", f"{where} answers {twin.status}")


def _redirect(facts: Facts) -> Finding:
    """A vendor's POST is not redirected because a GET is: only another spelling of the same address is a failure."""
    reply = facts.reply
    if reply is None or facts.target is None:
        return _finding("redirect", "inconclusive", "no connection")
    if reply.fault:
        why = _NO_REPLY.get(reply.fault, "there was no connection")
        return _finding("redirect", "inconclusive", f"no answer to an unsigned GET: {why}")
    if not 300 <= reply.status < 400 or reply.status == 304:
        return _finding("redirect", "pass", f"an unsigned GET is answered with {reply.status}")
    here = facts.target.place + facts.target.path
    try:
        there = urlsplit(urljoin(here, reply.headers.get("location", "")))
    except ValueError:
        return _finding("redirect", "fail", f"answers {reply.status} with a broken Location")
    if there.scheme == "http" and facts.target.scheme == "https":
        return _finding("redirect", "fail", f"answers {reply.status} and leads to plain HTTP")
    if f"{there.scheme}://{there.netloc}" != facts.target.place:
        return _finding("redirect", "fail", f"answers {reply.status} and leads to another host")
    if there.path.rstrip("/") == facts.target.path.rstrip("/"):
        return _finding("redirect", "fail", f"answers {reply.status}: the address is spelled otherwise there")
    return _finding("redirect", "warn", f"an unsigned GET is redirected ({reply.status}); deliveries are POSTs")


def _skew(reply: Reply | None) -> float | None:
    said = reply.headers.get("date") if reply is not None else None
    if reply is None or reply.at is None or not said:
        return None
    try:
        theirs = parsedate_to_datetime(said)
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        skew = (theirs - reply.at).total_seconds() + 0.5  # whole seconds, cut off: half of one on average
    except (TypeError, ValueError, OverflowError):
        return None
    return skew if abs(skew) <= _NO_CLOCK else None


def _clock(facts: Facts, skew: float | None, tolerance: float | None) -> Finding:
    if skew is None:
        return _finding("clock", "inconclusive", "its answer has no readable Date header")
    limit = _SKEW_LIMIT if tolerance is None else min(_SKEW_LIMIT, tolerance / 2)
    if abs(skew) <= limit:
        return _finding("clock", "pass", f"{abs(skew):.0f} s apart by its Date header")
    way = "ahead of" if skew > 0 else "behind"
    said = f"its Date header is {abs(skew):.0f} s {way} our clock; above {limit:g} s valid deliveries may look stale"
    return _finding("clock", "warn", said)
