"""Which deliveries show that an endpoint accepts the new secret and nothing else. Pure.

`plan` chooses by what the scheme signs (`covers`), its kind, its room for several signatures, its handshakes and its
limit on age. A case that says nothing about this scheme is listed all the same, with the reason why it is left out.
The letters and numbers of the ids are those of the reports: P must be accepted, N must be refused or have no effect.

Where the secret itself travels, no delivery that must be refused holds the new one: a random one takes its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from runbook_tui.webhooks.draft import rewrites
from runbook_tui.webhooks.planned import (
    AT_ONCE,
    FOREIGN,
    ID_UNSIGNED,
    LIMIT,
    LOOKS,
    NO_SCOPE,
    VALID_FOR_SPEED,
    Knowledge,
    Planned,
    left,
    requests,
)
from runbook_tui.webhooks.scheme import HMACS, SPOILS, Case, Handshake, Scheme

_HOUR = 3600.0
_MARGIN = 60.0  # seconds beyond a tolerance
_AS_IT_IS = Case("", "")


def plan(scheme: Scheme, known: Knowledge) -> list[Planned]:
    """Every case in the order of sending: at most `LIMIT` requests with those of the transport."""
    if scheme.kind == "url-token":
        cases = [*_positives(scheme, known), *_token_negatives(known), *_effects(scheme, known)]
    else:
        cases = [*_positives(scheme, known), *_negatives(scheme, known), *_effects(scheme, known)]
    cases += [*_handshakes(scheme, known), _again(known)]
    cases += [_abuse(scheme, one, known) for one in scheme.abuse if one.acts]
    # What must be refused is for the own project too: an endpoint that ignores others' would look as if it refused.
    cases = [replace(one, case=_own(one.case, known)) for one in cases]
    return _within(cases, LIMIT - LOOKS - 1 - len(diagnostics(scheme)))


def diagnostics(scheme: Scheme) -> list[Planned]:
    """Further deliveries for the time after a refused P1: the secret read in other ways, the endpoint's own clock.

    None where the secret itself travels. They are labelled as what they are, and none of them proves anything about
    the endpoint's security.
    """
    if scheme.carries_secret or scheme.kind == "vendor-key":
        return []
    found = [
        Planned(f"D-{form}", f"diagnosis: signed with the key read as {form}", "accept", Case("", "", form=form))
        for form in scheme.forms
    ]
    if scheme.tolerance is not None:
        found.append(Planned("D-clock", "diagnosis: signed for the endpoint's own clock", "accept", how="their-clock"))
    return found


def _own(case: Case, known: Knowledge) -> Case:
    return replace(case, scope=case.scope or known.scope, variant=case.variant or known.variant)


def _valid(
    name: str, title: str, known: Knowledge, expect: str = "accept", case: Case = _AS_IT_IS, **more: object
) -> Planned:
    """A right delivery, as the vendor would make it."""
    planned = Planned(name, title, expect, case, **more)  # type: ignore[arg-type]
    if known.signs:
        return planned
    return left(planned, open_="only the vendor can make it: trigger a delivery in its dashboard")


def _positives(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    what = "a valid delivery with the new secret" if scheme.kind != "vendor-key" else "a valid delivery"
    yield _valid("P1", what, known)
    yield _valid("P1-speed", "five more of them, for their speed", known, requests=VALID_FOR_SPEED)
    for name in scheme.variants:
        if name != known.variant:
            title = f"the same event in the envelope {name!r}"
            yield _valid(f"P1-{name}", title, known, "variant", Case("", "", variant=name))
    pretty = _valid("P4", "other JSON bytes: indented, a line break at the end, UTF-8", known, "bytes", how="pretty")
    if "json" not in scheme.content_type and "text/plain" not in scheme.content_type:
        yield left(pretty, skip="its bodies are no JSON")
    elif rewrites(scheme):
        yield left(pretty, skip="the proof stands inside the body, which is written with it")
    else:
        yield pretty
    for name, order in (("P5-new-first", ("new", "old")), ("P5-old-first", ("old", "new"))):
        second = "old" if known.old else "random"
        secrets = tuple(second if one == "old" else one for one in order)
        title = f"two signatures as in a roll, {order[0]} first"
        roll = _valid(name, title, known, case=Case("", "", secrets=secrets))
        yield roll if scheme.rolls else left(roll, skip=f"a delivery of {scheme.name} holds one signature")


def _again(known: Knowledge) -> Planned:
    return _valid("P2", "a valid delivery once more, after all that must be refused", known)


def _negatives(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    """Those of schemes with a proof or a secret outside the URL."""
    yield from _old(scheme, known)
    yield from _tampered(scheme, known)
    yield Planned("N3", "without any proof", "refuse", Case("", "", signed=False))
    yield from _spoiled(scheme, known)
    yield from _times(scheme, known)
    yield _swapped_id(scheme, known)
    yield from _algorithms(scheme, known)
    other = Planned("N15", "with the secret of another endpoint", "refuse", Case("", "", secrets=("other",)))
    if scheme.kind == "bearer" and not known.other:
        other = left(other, skip="without that secret it is N4-random again")
    yield other if _makes(scheme) else left(other, skip="no proof can be made without the vendor")
    yield from _malformed(scheme, known)


def _old(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    title = "the path with the old token" if scheme.kind == "url-token" else "with the old secret"
    old = Planned("N1", title, "refuse", Case("", "", secrets=("old",)))
    if known.old:
        yield old
    elif scheme.kind == "vendor-key":
        yield left(old, skip="the vendor's key did not leak with yours")
    else:
        yield left(old, open_="the old secret is not known here")


def _tampered(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    fields = [one.removeprefix("fields:") for one in scheme.covers if one.startswith("fields:")]
    body = ("N2", "one value of the body changed after signing", "")
    last = Counter(one.rsplit("/", 1)[-1] for one in fields)
    names = {one: one.rsplit("/", 1)[-1] for one in fields}
    names |= {one: one.strip("/").replace("/", "-") for one, name in names.items() if last[name] > 1}
    pieces = [(f"N2-{name}", f"{name} changed after signing", one) for one, name in names.items()]
    if "body" in scheme.covers:
        pieces = [body]
    for name, title, part in pieces:
        yield _signed(Planned(name, title, "refuse", Case("", ""), "tampered", part), known)
    if not pieces:
        yield left(Planned(*body[:2], "refuse"), skip=f"{scheme.name} does not sign the body")
    if "url" in scheme.covers:
        gentle = "a receiver that knows its own address by heart does not notice"
        yield _signed(
            Planned("N2-url", "the URL's query changed after signing", "refuse", how="query", gentle=gentle), known
        )


def _signed(planned: Planned, known: Knowledge) -> Planned:
    """A delivery that needs a right signature before it is made wrong."""
    return (
        planned if known.signs else left(planned, skip="it begins with a right delivery, which only the vendor makes")
    )


def _makes(scheme: Scheme) -> bool:
    """A proof can be made, if need be with a key that nobody knows."""
    return not (scheme.kind == "vendor-key" and scheme.alg == "none")


def _spoiled(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    if scheme.kind == "bearer":
        yield Planned(
            "N4-random", "with a random secret of the same length", "refuse", Case("", "", secrets=("random",))
        )
    spoils = ("empty",) if scheme.kind == "bearer" else scheme.spoils
    own = "random" if scheme.carries_secret or not known.signs else "new"
    for how in spoils if _makes(scheme) else ():
        gentle = "the right proof is there too" if how == "twice" else ""
        case = Case("", "", proof=how, secrets=(own,))
        if own == "random" and how == "twice":
            continue
        yield Planned(f"N4-{how}", SPOILS[how], "refuse", case, gentle=gentle)


def _times(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    stale = Planned("N5", "rightly signed, but too old", "refuse")
    future = Planned("N6", "rightly signed, but an hour ahead", "refuse", ago=-_HOUR)
    swapped = Planned("N7", "a new time with an old signature", "refuse", proof_ago=_HOUR)
    none = f"{scheme.name} signs no time"
    tolerance = scheme.tolerance
    if tolerance is None and "ts" not in scheme.covers:
        yield from (left(one, skip=none) for one in (stale, future, swapped))
        return
    past = tolerance.past if tolerance else _HOUR
    said = "" if tolerance else f"no SDK of {scheme.name} and no text of it asks for a limit on age"
    yield _signed(replace(stale, ago=past + _MARGIN, gentle=said), known)
    if tolerance is not None and tolerance.future is None:
        said = f"the SDKs of {scheme.name} refuse old deliveries only"
    yield _signed(replace(future, gentle=said), known)
    yield _signed(swapped, known) if "ts" in scheme.covers else left(swapped, skip=none)


def _swapped_id(scheme: Scheme, known: Knowledge) -> Planned:
    swapped = Planned("N9", "a new delivery id with an old signature", "refuse", Case("", "", signed_id="swap"))
    if not scheme.delivery_id:
        return left(swapped, skip=f"deliveries of {scheme.name} have no id")
    if "id" not in scheme.covers:
        if scheme.delivery_id.startswith("body:") and "body" in scheme.covers:
            return left(swapped, skip="the id is a part of the signed body, see N2")
        return left(swapped, skip=f"{scheme.name} {ID_UNSIGNED}")
    return _signed(swapped, known)


def _algorithms(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    if scheme.alg not in HMACS:
        yield left(Planned("N14", "with another hash", "refuse"), skip="it is not made with a keyed hash")
        return
    for alg in HMACS:
        if alg != scheme.alg:
            name = alg.removeprefix("hmac-")
            yield _signed(Planned(f"N14-{name}", f"signed with {alg}", "refuse", Case("", "", alg=alg)), known)


def _malformed(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    form = "json" not in scheme.content_type and "text/plain" not in scheme.content_type
    own = Case("", "", secrets=("random",)) if scheme.carries_secret or not known.signs else Case("", "")
    method = Planned("N12-method", "PUT instead of POST", "survive", Case("", "", method="PUT"))
    text = Planned("N12-type", "as text/x-runbook", "survive", Case("", "", content_type="text/x-runbook"))
    if scheme.carries_secret or not known.signs:
        why = (
            "a right delivery would be needed"
            if not known.signs
            else "it would need the new secret in a wrong delivery"
        )
        yield left(method, skip=why)
        yield left(text, skip=why)
    else:
        yield method
        gentle = "many endpoints do not look at the content type"
        yield Planned(text.id, text.title, text.expect, text.case, gentle=gentle)
    broken = Planned("N12-json", "JSON that breaks off", "survive", own, "malformed")
    yield left(broken, skip="its bodies are no JSON") if form else broken
    empty = Planned("N12-empty", "an empty body", "survive", own, "empty")
    yield left(empty, skip="an empty form is a form") if form else empty
    yield Planned("N12-large", "1 MiB without a proof", "survive", Case("", "", signed=False), "large")


def _token_negatives(known: Knowledge) -> Iterator[Planned]:
    """Those of schemes whose secret is a part of the URL."""
    case = Case("", "", secrets=("old",))
    old = Planned("N1", "the path with the old token", "refuse", case)
    yield old if known.old else left(old, open_="the old token is not known here")
    for name, title in known.misses:
        kind = "N3" if name.startswith("base") else "N4"
        yield Planned(f"{kind}-{name}", title, "refuse", Case("", "", signed=False), "near-miss", name)
    broken = Planned("N12-json", "JSON that breaks off, on another token's path", "survive", Case("", ""), "malformed")
    yield left(broken, skip="it would need the new token in a wrong delivery")
    for name, title in (
        ("N2", "a value changed after signing"),
        ("N5", "too old"),
        ("N6", "an hour ahead"),
        ("N7", "a new time with an old signature"),
        ("N9", "a new id with an old signature"),
        ("N14", "with another hash"),
    ):
        yield left(Planned(name, title, "refuse"), skip="nothing is signed")
    yield left(Planned("N15", "with the token of another endpoint", "refuse"), skip="it is N4-random again")


def _effects(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    """Right deliveries of which only the effect is judged: duplicates, unknown events, other people's."""
    twice = _valid("N8-replay", "the same bytes twice", known, "once", requests=2)
    burst = _valid(
        f"N8-{AT_ONCE}", f"the same bytes {AT_ONCE} times at once", known, "once", requests=AT_ONCE, at_once=True
    )
    for one in (twice, burst):
        yield one if scheme.delivery_id else left(one, skip=f"deliveries of {scheme.name} have no id to tell them by")
    unknown = _valid("N10", "an event nobody knows", known, "inert", Case("", "", event="runbook.unknown"))
    yield unknown if scheme.event else left(unknown, skip=f"deliveries of {scheme.name} name no event")
    title = "an event of somebody else's project or account"
    foreign = _valid("N11", title, known, "inert", Case("", "", scope=FOREIGN))
    if not scheme.scope:
        yield left(foreign, skip=f"deliveries of {scheme.name} name no project or account")
    elif not known.scope:
        yield left(foreign, skip=NO_SCOPE)
    else:
        yield foreign


def _handshakes(scheme: Scheme, known: Knowledge) -> Iterator[Planned]:
    abused = any(abuse.acts for abuse in scheme.abuse)
    for probe in scheme.probes:
        if probe.acts and abused:  # the same request, which an endpoint that has its secret has to refuse
            yield left(Planned(f"P3-{probe.name}", probe.title, "probe"), skip=f"not twice: {probe.why}")
            continue
        yield _handshake(f"P3-{probe.name}", probe, "probe", known, signing=known.signs)
    if not scheme.probes:
        yield left(Planned("P3", "the vendor's own probe", "probe"), skip=f"{scheme.name} sends none")
    for abuse in scheme.abuse:
        if not abuse.acts:
            yield _abuse(scheme, abuse, known)
    if not scheme.abuse:
        yield left(Planned("N13", "abuse of a handshake", "abuse"), skip=f"{scheme.name} has none to abuse")


def _abuse(scheme: Scheme, abuse: Handshake, known: Knowledge) -> Planned:
    return _handshake(f"N13-{abuse.name}", abuse, "abuse", known, signing=known.signs)


def _handshake(name: str, one: Handshake, expect: str, known: Knowledge, *, signing: bool) -> Planned:
    planned = Planned(
        name, one.title, expect, Case("", "", signed=one.signed, method=one.method), "handshake", one.name
    )
    templates = (*one.query.values(), *one.headers.values())
    missing = {token for template in templates for token in template.tokens} - _ALWAYS - known.facts
    if one.acts and not known.acting:
        return left(planned, skip=f"it may change the endpoint: {one.why or 'ask for it'}")
    if one.signed and not signing:
        return left(planned, open_="only the vendor can make it: let it check the URL in its dashboard")
    if missing:
        return left(planned, open_=f"{', '.join(sorted(missing))} was not told")
    return planned


_ALWAYS = frozenset({"challenge", "challenge_mac", "id", "uuid", "ts", "ts_ms", "ts_iso", "ts_z", "event"})
# Given up one after the other when a scheme has more cases than requests.
_FIRST_TO_GO = ("N12-large", "N4-old-case", "N4-deeper", "N4-long", "N14-", "N2-", "N4-")


def _within(cases: list[Planned], most: int) -> list[Planned]:
    """`cases` with the least important ones left out, until they fit."""
    for name in _FIRST_TO_GO:
        for index in range(len(cases) - 1, -1, -1):
            if requests(cases) <= most:
                return cases
            if cases[index].sends and cases[index].id.startswith(name):
                cases[index] = left(cases[index], skip=f"more than {LIMIT} requests would be needed")
    return cases
