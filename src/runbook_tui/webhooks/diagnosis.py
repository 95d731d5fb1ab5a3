"""From what a bench saw to the likely cause, and what to do about it with this vendor. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.scheme import KEY_FORMS, WRONG_FORMS, Scheme
from runbook_tui.webhooks.transport import Transport
from runbook_tui.webhooks.verdicts import Result

_RAW = "verify the bytes of the request before anything parses them (express.raw, request.get_data(), await req.text())"
_DECODE = {
    "b64": "decode it first: Buffer.from(secret, 'base64'), base64.b64decode(secret)",
    "hex": "decode it first: Buffer.from(secret, 'hex'), bytes.fromhex(secret)",
    "whsec": "drop `whsec_` and decode the rest from base64",
    "raw": "use the text as the vendor shows it, prefix and all, without a line break at its end",
}
_STATUSES = {
    404: (
        "the address is not served",
        "compare it with the one that is registered with the vendor; tunnels change theirs",
    ),
    405: ("the endpoint does not take POST at this address", "serve POST there; vendors deliver with it"),
    411: ("a proxy asks for another framing", "let the proxy pass bodies with Content-Length"),
    413: ("a proxy takes no body of this size", "raise its limit for this path"),
    415: ("the endpoint does not take the vendor's content type", "accept the content type of the scheme"),
}


@dataclass(frozen=True)
class Advice:
    """`cases` are the ids of the results it explains."""

    id: str
    cause: str
    fix: str
    cases: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "cases": list(self.cases)}


@dataclass(frozen=True)
class _Seen:
    scheme: Scheme
    results: dict[str, Result]
    ways: dict[str, Finding] = field(default_factory=dict)
    skew: float | None = None
    stopped: str = ""

    def of(self, prefix: str, *verdicts: str) -> tuple[str, ...]:
        """The ids that are `prefix` or begin with it and a dash, with one of these verdicts."""
        return tuple(
            one.id
            for one in self.results.values()
            if (one.id == prefix or one.id.startswith(f"{prefix}-")) and one.verdict in verdicts
        )

    def took(self, name: str) -> bool:
        return self.status(name) // 100 == 2

    def status(self, name: str) -> int:
        found = self.results.get(name)
        return found.status or 0 if found is not None else 0


def diagnose(
    scheme: Scheme, results: Sequence[Result], transport: Transport | None, checks: Sequence[Finding], stopped: str
) -> list[Advice]:
    """The likely causes, first of what keeps valid deliveries out, then of what lets wrong ones in."""
    ways = {one.id: one for one in (*(transport.findings if transport else ()), *checks)}
    skew = transport.skew if transport else None
    seen = _Seen(scheme, {one.id: one for one in results}, ways, skew, stopped)
    return [advice for rule in _RULES for advice in rule(seen)]


def _refused(seen: _Seen) -> Iterator[Advice]:
    """Why P1 was refused with a 4xx: the most specific cause alone."""
    scheme, status = seen.scheme, seen.status("P1")
    if status // 100 != 4:
        return
    forms = [name for name in seen.results if name.startswith("D-") and seen.took(name)]
    read_as = [WRONG_FORMS[name.removeprefix("D-")] for name in forms if name != "D-clock"]
    if read_as:
        cause = f"the endpoint uses the secret in the wrong form: {read_as[0]}"
        fix = f"{scheme.name} means {KEY_FORMS[scheme.key]}; {_DECODE.get(scheme.key, _DECODE['raw'])}"
        yield Advice("key-form", cause, fix, ("P1", *forms))
    elif "D-clock" in forms or (scheme.tolerance and abs(seen.skew or 0.0) > scheme.tolerance.past):
        cause = f"the endpoint's clock is {abs(seen.skew or 0.0):.0f} s off, and {scheme.name}'s limit on age is small"
        yield Advice("skew", cause, "set its clock by NTP; the secret may well be right", ("P1", *forms))
    elif seen.took("N1"):
        fix = "roll the new secret out there and restart what keeps the old one in memory"
        yield Advice("not-rolled-out", "the endpoint still verifies with the old secret", fix, ("P1", "N1"))
    elif status in _STATUSES:
        yield Advice(f"status-{status}", *_STATUSES[status], ("P1",))
    elif seen.results["P1"].reason.startswith("refused upstream"):
        return
    elif "url" in scheme.covers:
        cause = "the address that the endpoint verifies with is not the one the delivery was made for"
        fix = f"{scheme.name} signs the URL: give it as registered; behind a proxy also scheme, host and port count"
        yield Advice("url-differs", cause, fix, ("P1",))
    else:
        cause = "the endpoint has no secret or another one, or the body was parsed before it was verified"
        yield Advice("refused", cause, f"store the new secret there and restart it; {_RAW}", ("P1",))


def _no_answer(seen: _Seen) -> Iterator[Advice]:
    first = seen.results.get("P1")
    if first is None:
        return
    if 300 <= (first.status or 0) < 400:
        fix = "register the address it leads to: vendors count a redirect as a failure"
        yield Advice("redirect", "the endpoint redirects deliveries", fix, ("P1",))
    elif (first.status or 0) >= 500:
        fix = "look into its log at the time of this run; a missing secret is the usual reason"
        yield Advice("crash", "the endpoint fails on a valid delivery", fix, ("P1",))
    elif first.status is None and first.reason.startswith("no answer"):
        fix = "acknowledge first and work afterwards; see that nothing before the endpoint holds the request back"
        yield Advice("silent", "no complete answer came to a valid delivery", fix, ("P1",))
    late = tuple(name for name in ("ack-second", "ack-limit") if name in seen.ways and _bad(seen.ways[name]))
    if late:
        limit = f", and {seen.scheme.name} gives up after {seen.scheme.answer_within:g} s" * bool(
            seen.scheme.answer_within
        )
        yield Advice(
            "slow", f"valid deliveries are answered late{limit}", "acknowledge first and work afterwards", late
        )


def _transport(seen: _Seen) -> Iterator[Advice]:
    fixes = {
        "address": ("the host's name leads nowhere", "correct the URL or the DNS record"),
        "ipv4": ("nobody listens at an address of the host", "start the endpoint, or correct the DNS record"),
        "ipv6": ("nobody listens at an IPv6 address of the host", "serve IPv6 too, or remove the AAAA record"),
        "tls-chain": ("its certificate is not trusted", "install the full chain of a public authority"),
        "tls-host": ("its certificate is for another host", "get one that names this host"),
        "tls-expiry": ("its certificate runs out or did so", "renew it, and see why the renewal did not run"),
        "tls-version": ("it speaks only old versions of TLS", "switch TLS 1.2 or newer on"),
        "plain-http": ("it is served without TLS too", "switch plain HTTP off for this path, or redirect it"),
    }
    for name, (cause, fix) in fixes.items():
        if name in seen.ways and seen.ways[name].verdict == "fail":
            yield Advice(name, cause, fix, (name,))


def _half(seen: _Seen) -> Iterator[Advice]:
    """Valid deliveries of which only some are taken."""
    scheme = seen.scheme
    if seen.of("P4", "warn", "fail"):
        cause = "the endpoint verifies the JSON as it writes it itself, not the bytes that came"
        yield Advice("re-serialised", cause, _RAW, ("P4",))
    rolls = seen.of("P5", "fail")
    if len(rolls) == 1:
        which = "last" if rolls[0] == "P5-new-first" else "first"
        fix = f"compare every signature of the header: while a secret is rolled {scheme.name} signs with both"
        yield Advice("roll-order", f"the endpoint looks at the {which} of several signatures only", fix, rolls)
    probes = seen.of("P3", "fail")
    if probes:
        whys = [probe.why for probe in scheme.probes if f"P3-{probe.name}" in probes]
        unsigned = any(not probe.signed for probe in scheme.probes if f"P3-{probe.name}" in probes)
        fix = "answer it before anything is verified, and do nothing else" if unsigned else "verify it, then answer it"
        cause = f"the endpoint does not answer {scheme.name}'s probe as it has to"
        yield Advice("probe", cause, "; ".join([fix, *(why for why in whys if why)]), probes)
    effects = [one for one in scheme.variants if seen.results.get(f"P1-{one}") and seen.results[f"P1-{one}"].acted]
    if effects and seen.results["P1"].acted is False:
        cause = f"only the envelope {effects[0]!r} has an effect; what the vendor documents is dropped"
        yield Advice("envelope", cause, scheme.notes or "read the documented members", ("P1", f"P1-{effects[0]}"))
    if seen.took("P1") and seen.status("P2") // 100 == 4:
        fix = "let wrong deliveries not count against the vendor's address; look for a firewall's or a limiter's rule"
        yield Advice("locked-out", "after wrong deliveries valid ones are refused too", fix, ("P2",))
    upstream = tuple(one.id for one in seen.results.values() if one.reason.startswith("refused upstream"))
    if upstream:
        cause = "something before the endpoint refuses: a firewall, a proxy, a bot check"
        yield Advice("upstream", cause, "let the vendor's requests pass there, then run the bench again", upstream)


def _let_in(seen: _Seen) -> Iterator[Advice]:
    """Wrong deliveries that are taken."""
    scheme = seen.scheme
    acted = tuple(
        one.id for one in seen.results.values() if one.acted and one.expect == "refuse" and not seen.took(one.id)
    )
    if acted:
        yield Advice("acts-first", "the endpoint acts before it has verified", "verify, and only then act", acted)
    taken = tuple(one.id for one in seen.results.values() if one.expect == "refuse" and seen.took(one.id))
    dropped = tuple(
        name for name in taken if seen.results[name].verdict == "warn" and seen.results[name].acted is False
    )
    if len(dropped) > 1:
        fix = f"answer {scheme.answers.bad}: the vendor shows what was refused, and so do your own statistics"
        yield Advice("acknowledges", "wrong deliveries are answered as if they were taken", fix, dropped)
        return
    signs = [name for name in taken if name.startswith(("N2", "N4", "N15"))]
    if "N3" in taken and len(signs) > 1 and "N15" in taken:
        yield Advice("no-verification", "deliveries are not verified at all", f"verify them; {_RAW}", taken)
        return
    said: dict[str, tuple[str, str]] = {
        "N1": _old(scheme),
        "N3": ("verification is skipped when there is no proof", "refuse what carries none"),
        "N4-truncated": ("a part of a signature is enough", "compare whole signatures, in constant time"),
        "N5": ("an old delivery can be sent again", f"refuse what is older than {_limit(scheme)} s"),
        "N6": ("a delivery from the future is taken", f"refuse what is more than {_limit(scheme)} s ahead"),
        "N7": ("the time is not a part of what is verified", "verify the time with the body"),
        "N9": ("the id is not a part of what is verified", "verify the id with the body"),
        "N15": ("another endpoint's secret is taken", "give each endpoint its own secret"),
    }
    for name, (cause, fix) in said.items():
        if name in taken:
            yield Advice(f"accepts-{name.lower()}", cause, fix, (name,))
    hashes = tuple(name for name in taken if name.startswith("N14"))
    if hashes:
        yield Advice("accepts-n14", "other hashes are taken too", f"verify with {scheme.alg} alone", hashes)


def _old(scheme: Scheme) -> tuple[str, str]:
    window = f"; {scheme.name} itself may keep it for {scheme.roll_window} s after a roll" * bool(scheme.roll_window)
    return "the old secret still opens the endpoint", f"remove it from what the endpoint verifies with{window}"


def _limit(scheme: Scheme) -> int:
    return scheme.tolerance.past if scheme.tolerance else 300


def _effects(seen: _Seen) -> Iterator[Advice]:
    scheme = seen.scheme
    twice = seen.of("N8", "fail")
    if any(seen.took(name) for name in twice):
        fix = f"remember the id ({scheme.delivery_id}) in one step with the act (a unique key in the database)"
        yield Advice("no-dedupe", "a delivery that comes twice is acted on twice", fix, twice)
    if seen.of("N10", "fail"):
        yield Advice(
            "any-event", "events that nobody knows are acted on", "act on a list of known events only", ("N10",)
        )
    if seen.of("N11", "fail"):
        fix = f"compare {scheme.scope} with your own before acting"
        yield Advice("any-scope", "events of other projects or accounts are acted on", fix, ("N11",))
    abused = seen.of("N13", "fail")
    for one in scheme.abuse:
        if f"N13-{one.name}" in abused:
            yield Advice("handshake", one.why or "a handshake can be abused", "verify it as any delivery", abused)
    methods = seen.of("N12-method", "fail", "warn")
    if methods:
        yield Advice("method", "other methods are taken for POST", "answer 405 to everything but POST", methods)
    crashes = tuple(one.id for one in seen.results.values() if one.expect in _REFUSED and (one.status or 0) >= 500)
    if crashes:
        fix = "catch what a wrong delivery raises and answer 400: a 5xx makes the vendor send it again"
        yield Advice("crashes", "the endpoint fails on wrong deliveries instead of refusing them", fix, crashes)
    echo = next((seen.ways[name] for name in ("token-echo", "secret-echo") if name in seen.ways), None)
    if echo is not None and echo.verdict == "fail":
        yield Advice("echo", "its answers repeat the secret", "answer with a status alone", (echo.id,))


_REFUSED = ("refuse", "survive", "abuse")


def _bad(finding: Finding) -> bool:
    return finding.verdict in ("fail", "warn")


_RULES: tuple[Callable[[_Seen], Iterator[Advice]], ...] = (_transport, _refused, _no_answer, _half, _let_in, _effects)
