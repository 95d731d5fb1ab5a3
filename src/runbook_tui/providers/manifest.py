"""What a provider is and can do: the typed form of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DESTRUCTIVE = frozenset({"revoke", "rotate", "disable", "offboard"})


@dataclass(frozen=True)
class Kind:
    """One kind of credential of this provider and how its value looks."""

    id: str
    prefixes: tuple[str, ...] = ()
    pattern: str = ""  # RE2, matches the whole value


@dataclass(frozen=True)
class Attribute:
    """A fact that is not secret and that the operations need, such as a project id."""

    ask: str
    required: bool = False
    default: str = ""
    example: str = ""


@dataclass(frozen=True)
class OriginRule:
    """A base address. An empty `url` means that the operator has to bind his own."""

    url: str = ""
    ask: str = ""
    example: str = ""


@dataclass(frozen=True)
class Auth:
    """How a secret is placed into a request; see `schema.STYLES`."""

    style: str
    name: str = ""
    prefix: str = ""
    user: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    origin: str = "api"


@dataclass(frozen=True)
class Argument:
    """A value an operation takes from its caller."""

    ask: str
    type: str = "text"  # text | integer | instant | path (its slashes separate segments)
    form: str = "iso"  # of an instant: iso | epoch
    default: str | int | None = None
    required: bool = False


@dataclass(frozen=True)
class RequestTemplate:
    """The request of an operation, with references in it."""

    method: str
    path: str
    origin: str = "api"
    service: str = ""
    region: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    content_type: str = ""


@dataclass(frozen=True)
class Expect:
    """An answer: one of these statuses and, where given, a condition over status, body and header."""

    status: tuple[int, ...] = ()
    when: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class VerdictRule:
    """What an answer says about the credential. An empty `status` fits every answer the operation expects."""

    state: str
    proof: str
    status: tuple[int, ...] = ()
    when: Mapping[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Match:
    """How one item of a list is recognised: a field that equals a value, or shows parts of the secret."""

    field: str
    equals: str = ""
    redacts: bool = False


@dataclass(frozen=True)
class New:
    """Where a created credential stands in the answer (JMESPath)."""

    secret: str
    key_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Paginate:
    """How to get the rest of a list, always from the same origin."""

    style: str  # cursor | link | next | page
    send: str = ""
    place: str = "query"  # query | form | json
    source: str = ""
    more: str = ""
    most: int = 20


@dataclass(frozen=True)
class Effect:
    """What an operation does to what: `revoke` to `credential`."""

    verb: str
    target: str


@dataclass(frozen=True)
class Manual:
    """The same thing done by hand in the vendor's dashboard."""

    link: str
    steps: tuple[str, ...]
    asks: str  # secret | attest
    note: str = ""


@dataclass(frozen=True)
class Operation:
    """One call (or one thing to do by hand)."""

    id: str
    title: str
    kind: str = "read"  # read | idempotent | keyed | once
    identity: str = "credential"  # credential | admin | new | none: who signs
    request: RequestTemplate | None = None
    manual: Manual | None = None
    args: Mapping[str, Argument] = field(default_factory=dict)
    expect: Expect = Expect((200,))
    already_done: Expect | None = None
    verdict: tuple[VerdictRule, ...] = ()
    answer: str = "json"  # json | xml
    items: str = ""
    match: tuple[Match, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    learn: Mapping[str, str] = field(default_factory=dict)
    new: New | None = None
    paginate: Paginate | None = None
    also: tuple[str, ...] = ()  # reads made after this one; their outputs are added
    effects: tuple[Effect, ...] = ()
    undo: str = ""
    idempotency: str = ""
    settle: float = 0.0  # seconds
    min_interval: float = 0.0  # seconds
    per: str = ""
    note: str = ""
    unproven: str = ""

    @property
    def effect(self) -> Effect | None:
        """The first effect; None for an operation that only reads."""
        return self.effects[0] if self.effects else None

    @property
    def changes(self) -> bool:
        """Whether repeating it may do something twice."""
        return self.kind != "read"

    @property
    def destructive(self) -> bool:
        """Whether something stops working because of it."""
        return any(effect.verb in DESTRUCTIVE for effect in self.effects)

    @property
    def reversible(self) -> bool:
        """Whether another operation takes it back."""
        return bool(self.undo)

    @property
    def automatic(self) -> bool:
        """Whether it is an API call."""
        return self.request is not None


@dataclass(frozen=True)
class Derived:
    """Something the credential minted that outlives it."""

    what: str
    lasts: str
    operation: str = ""


@dataclass(frozen=True)
class RateLimit:
    """The vendor's headers about its limits, names in lower case."""

    remaining: str = ""
    reset: str = ""
    reset_form: str = "epoch"
    note: str = ""


@dataclass(frozen=True)
class Manifest:
    """One provider."""

    id: str
    name: str
    overlap: str  # none | grace | parallel
    origins: Mapping[str, OriginRule]
    operations: Mapping[str, Operation]
    auth: Mapping[str, Auth]
    identities: Mapping[str, str]  # identity -> name in `auth`
    credential_name: str
    source: str
    checked_on: str
    kinds: tuple[Kind, ...] = ()
    key_id: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    longest_overlap: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()
    error: str = ""
    no_proof: str = ""
    derived: tuple[Derived, ...] = ()
    admin_from: tuple[str, ...] = ()  # further providers whose credentials may sign as admin here
    docs: str = ""
    notes: tuple[str, ...] = ()
    file: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The public prefixes of this provider's values, for masks."""
        return tuple(prefix for kind in self.kinds for prefix in kind.prefixes)

    def can(self, operation: str) -> str:
        """`api`, `manual` or `` (not offered)."""
        found = self.operations.get(operation)
        return "" if found is None else "api" if found.automatic else "manual"
