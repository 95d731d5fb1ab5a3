"""What the reference endpoint is told: the scheme, the secrets it knows, and which faults it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_tui.webhooks.scheme import Scheme

FAULTS = {
    # who may deliver
    "accepts_all": "looks at no proof at all",
    "unsigned_accepted": "takes a delivery without a proof, and refuses a wrong one",
    "old_secret_valid": "still takes the secret from before the rotation",
    "accepts_wrong_algorithm": "takes the proof with another hash too",
    "compares_prefix": "compares as many characters as it is given: a proof cut short passes",
    "wrong_key_form": "reads the secret in a form the vendor does not mean",
    "first_signature_only": "looks at the first of several signatures",
    "last_signature_only": "looks at the last of several signatures",
    "reserialises": "verifies its own rendering of the JSON, not the bytes that came",
    "ignores_url": "takes a path token in any case of letters, and any that begins like it",
    # when
    "no_tolerance": "never looks at the time of a delivery",
    "future_accepted": "refuses old deliveries only",
    # what it does
    "no_dedupe": "acts again on a delivery it has seen",
    "acts_before_verifying": "acts first and then answers that the proof is wrong",
    "acknowledges_bad": "answers 200 to what it refuses, and does not act on it",
    "unknown_event_acts": "acts on events it does not know",
    "foreign_scope_acts": "acts on events of somebody else's project or account",
    "other_envelope": "acts on another envelope than the vendor's documented one, and answers 200 to that",
    "locks_out": "refuses everybody after three wrong deliveries",
    # handshakes
    "probe_refused": "refuses the vendor's probes",
    "handshake_oracle": "answers challenges that nobody signed",
    "secret_replaceable": "takes a new secret from whoever sends one, and verifies with it from then on",
    # how it answers
    "crashes_on_bad_input": "answers 500 to what it cannot read or verify",
    "ignores_method": "takes every method for POST",
    "base_path_200": "answers 200 to the address without the path token",
    "wrong_token_405": "tells a wrong path token from a right one by another status than 404",
    "echoes_token": "repeats the path token or the header's secret in its answer",
    "logs_token": "writes whole paths into its access log",
    "redirects": "answers with a redirect",
    "slow": "takes its time before it answers",
    # below HTTP
    "hangs": "takes the request and never answers",
    "trickles": "sends its answer a byte at a time, for ever",
    "huge_answer": "answers with ten megabytes",
    "cuts_off": "closes the connection half-way through its answer",
    "skewed_clock": "its clock is ahead by `Setup.skew` seconds",
}


@dataclass(frozen=True)
class Setup:
    """One endpoint. Secrets here are a drill's own or a test's: they open nothing.

    `secret` is the secret as the vendor shows it; where the vendor signs with a key pair it is the public key (hex or
    base64 of an Ed25519 key, base64 of an SPKI, or PEM). `url` is the address as registered with the vendor, without
    path token. `facts` are the values of `Scheme.facts`. `scope` is the own project or account; "" = not looked at.
    """

    scheme: Scheme
    secret: str = field(repr=False)
    old: str = field(default="", repr=False)
    url: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    faults: frozenset[str] = frozenset()
    slow: float = 2.0  # seconds
    skew: float = 0.0  # seconds

    def __post_init__(self) -> None:
        """ValueError for a fault that nobody knows."""
        unknown = self.faults - FAULTS.keys()
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")

    def has(self, fault: str) -> bool:
        return fault in self.faults


@dataclass(frozen=True)
class Arrived:
    """A request as it came: `headers` in order and with repetitions, `path` with its token, if any."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Every value of a header, whatever the case of its name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of a header that came exactly once; "" otherwise."""
        found = self.all(name)
        return found[0].strip() if len(found) == 1 else ""
