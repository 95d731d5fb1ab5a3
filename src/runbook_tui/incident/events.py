"""The events of an incident: everything the program knows about a run is folded from these.

`KINDS` lists every kind with the fields of its `data`. No field ever holds a secret: credentials appear by name,
fingerprint, mask and public key id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# kind -> the fields of its data
KINDS: dict[str, str] = {
    # the frame
    "opened": "incident, mode, title, playbook {id, sha256, source}, target (s), tool, commander, host, places",
    "driver": "name, took_over: a terminal drives the incident from here on",
    "resumed": "open_operations: the conductor started again",
    "clock_step": "seconds: the wall clock went back against the monotonic clock",
    "closed": "state: contained | complete_except | abandoned, reason",
    # what is known
    "input": "name, value",
    "subject": (
        "slot, kind: credential | account | shared (what a leaver could read), name, provider, provider_name, "
        " key_id, fingerprint, mask, overlap, "
        "can {operation: api | manual}, has_secret, attributes, finding (its fingerprint, if a scan found it by rule)"
    ),
    "learned": "slot, key_id, attributes: what the provider told about the credential",
    "consumer": "id, kind, title, credential, where, proof: how `used` is proven",
    "facts": "values {used_by_others, exposure, power, detected_at, exposed_since, ...}",
    "decision": "order, recommended, rule, why, reason, options",
    "tripwire": "reason: evidence of use seen; the run switches to contain-first",
    # steps
    "step_started": "step, answers (no secrets), attempt",
    "step_acted": "step, reason: the action is done; what follows is its proof",
    "step_done": "step, reason",
    "step_failed": "step, status: failed | refuted | undetermined | unknown, reason, manual: the manual path",
    "step_waiting": "step, until, reason",
    "step_skipped": "step, reason",
    "step_reopened": "step, reason",
    "recorded": "step, item, subject (slot that was asked about), values",
    # changing calls
    "intent": "op, step, item, operation, subject, what (one sentence), request (masked)",
    "sending": "op",
    "outcome": "op, result: done | rejected | not_sent | unknown, status, reason, already, evidence",
    "cleared": "op, as: done | not_done, by: proof | operator, reason",
    # credentials, consumers, accounts
    "new_credential": "slot, op (that made it), name, key_id, fingerprint, mask, stored_in",
    "verification": "step, slot, side: old | new, verdict: dead | alive | undetermined, proof, reason, evidence",
    "consumer_state": "consumer, stage: stored | loaded | used | failed, proof, reason, evidence",
    "attested": "slot, side, by, what: a named person says so",
    "waiver": "line, name, reason",
    # what was found and said
    "scan": (
        "step, result (the document of `scan --json`; its findings as `incident/findings.kept` cuts them: "
        "each with places, how many more findings there are in findings_left)"
    ),
    "deliveries": "step, endpoint, scheme, results [{id, title, expected, status, verdict, reason, milliseconds}]",
    "audit": "step, since, until, items, ours, limits",
    "note": "text, at (when it happened, if not now), attached {name, size, sha256, text, left_out (why no text)}",
    "exported": "path, sha256, format",
    "purged": "events [{seq, data that stands for the data it lost}], reason",
}


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Event:
    """One line of the journal. `seq` counts from 1 and gives the order; `ts` is UTC RFC 3339 with microseconds."""

    seq: int
    ts: str
    mono_ns: int
    boot_id: str
    actor: str
    kind: str
    data: dict[str, Any]

    # A record can hold a million events, and the __init__ of a frozen dataclass takes twice as long.
    def __init__(
        self, seq: int, ts: str, mono_ns: int, boot_id: str, actor: str, kind: str, data: dict[str, Any]
    ) -> None:
        _set_seq(self, seq)
        _set_ts(self, ts)
        _set_mono_ns(self, mono_ns)
        _set_boot_id(self, boot_id)
        _set_actor(self, actor)
        _set_kind(self, kind)
        _set_data(self, data)

    def fields(self) -> dict[str, Any]:
        """The event as a dictionary, for JSON. `data` is the event's own: to be read only."""
        return {
            "seq": self.seq,
            "ts": self.ts,
            "mono_ns": self.mono_ns,
            "boot_id": self.boot_id,
            "actor": self.actor,
            "kind": self.kind,
            "data": self.data,
        }


_set_seq, _set_ts, _set_mono_ns, _set_boot_id, _set_actor, _set_kind, _set_data = (
    Event.__dict__[field].__set__ for field in Event.__slots__
)
