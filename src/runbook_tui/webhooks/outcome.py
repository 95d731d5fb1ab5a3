"""The document of a whole bench: its cases, what they prove, what stays open, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_tui.webhooks.diagnosis import Advice, diagnose
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.planned import ID_UNSIGNED, OPEN_SKIPS
from runbook_tui.webhooks.scheme import Scheme
from runbook_tui.webhooks.transport import Transport
from runbook_tui.webhooks.verdicts import Result, between_controls, overall, rotation

_SAYS = (  # the beginning of a case's id, and what it proves when all of them pass
    ("P1", "the new secret is accepted"),
    ("P3", "the vendor's probe is answered as it has to be"),
    ("P4", "the bytes are verified as they came"),
    ("P5", "a delivery with two signatures is accepted in either order"),
    ("N1", "the old secret is refused"),
    ("N2", "a delivery changed after signing is refused"),
    ("N3", "a delivery without a proof is refused"),
    ("N4", "wrong proofs are refused"),
    ("N5", "an old delivery is refused"),
    ("N6", "a delivery from the future is refused"),
    ("N7", "an old signature under a new time is refused"),
    ("N8", "a duplicate has no second effect"),
    ("N9", "an old signature under a new id is refused"),
    ("N10", "an unknown event has no effect"),
    ("N11", "an event of another project or account has no effect"),
    ("N12", "malformed requests are refused without a crash"),
    ("N13", "handshakes cannot be abused"),
    ("N14", "other hashes are refused"),
    ("N15", "another endpoint's secret is refused"),
    ("P2", "the endpoint still accepts the new secret after all refusals"),
)


@dataclass(frozen=True)
class Report:
    """`verdict` is on everything, `rotation` on the secrets alone (`verdicts.rotation`). Nothing in it is secret."""

    scheme: str
    url: str
    results: tuple[Result, ...]
    verdict: str
    rotation: str
    transport: Transport | None
    checks: tuple[Finding, ...]
    diagnosis: tuple[Advice, ...]
    proven: tuple[str, ...]
    open: tuple[str, ...]
    requests: int
    stopped: str
    observer: str  # none | trusted | why not
    secrets: Mapping[str, str] = field(default_factory=dict)  # label -> fingerprint

    @classmethod
    def of(
        cls,
        scheme: Scheme,
        url: str,
        results: Sequence[Result],
        transport: Transport | None,
        checks: Sequence[Finding],
        *,
        watched: bool,
        observer: str,
        attested: bool,
        requests: int,
        stopped: str,
        secrets: Mapping[str, str],
    ) -> Report:
        """`observer` is why it is doubted, `watched` that it was seen to work; both empty: there is none."""
        weighed = between_controls(results, attested=attested)
        ways = transport.findings if transport is not None else ()
        cases = [one for one in weighed if not one.id.startswith("D-")]
        word = "trusted" if watched else observer or "none"
        proven, open_points = conclusions(scheme, cases, watched=watched)
        if word not in ("trusted", "none"):
            open_points.insert(0, word)
        return cls(
            scheme.id,
            url,
            tuple(weighed),
            overall(cases, [*ways, *checks]),
            rotation(cases),
            transport,
            tuple(checks),
            tuple(diagnose(scheme, weighed, transport, checks, stopped)),
            tuple(proven),
            tuple(open_points),
            requests,
            stopped,
            word,
            dict(secrets),
        )

    def data(self) -> dict[str, Any]:
        """Plain data for `webhook bench --json`, the journal and the report."""
        return {
            "scheme": self.scheme,
            "url": self.url,
            "cases": [one.data() for one in self.results],
            "verdict": self.verdict,
            "rotation": self.rotation,
            "transport": None if self.transport is None else self.transport.data(),
            "checks": [one.data() for one in self.checks],
            "diagnosis": [one.data() for one in self.diagnosis],
            "proven": list(self.proven),
            "open": list(self.open),
            "observer": self.observer,
            "requests": self.requests,
            "stopped": self.stopped,
            "secrets": dict(self.secrets),
        }


def conclusions(scheme: Scheme, results: Sequence[Result], *, watched: bool) -> tuple[list[str], list[str]]:
    """(what is proven, what is not), in sentences."""
    proven, open_points = [], []
    for name, text in _SAYS:
        verdicts = {one.verdict for one in results if one.id == name or one.id.startswith(f"{name}-")}
        verdicts.discard("not_applicable")
        if verdicts == {"pass"}:
            proven.append(text)
        elif verdicts:
            open_points.append(f"not shown: {text}")
    if not watched:
        open_points.append("whether refused deliveries had an effect all the same: a status code cannot tell")
    if not scheme.covers:
        open_points.append("whether a body is genuine: nothing is signed, so who has the secret can send anything")
    elif scheme.tolerance is None and "ts" not in scheme.covers and not scheme.delivery_id:
        open_points.append("a delivery that was listened to can be sent again: neither a time nor an id is signed")
    for one in results:
        if one.verdict == "not_applicable" and (one.reason in OPEN_SKIPS or one.reason.endswith(ID_UNSIGNED)):
            open_points.append(f"{one.title}: {one.reason}")
    return proven, open_points
