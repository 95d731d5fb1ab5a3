"""From a scheme's checked fields to the Scheme. The fields are described in `registry`."""

from __future__ import annotations

import re
from typing import Any

from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.ids import NAME
from runbook_tui.foundation.strict_yaml import Document
from runbook_tui.webhooks import reader_events as events
from runbook_tui.webhooks.checker import Checker
from runbook_tui.webhooks.draft import HOOKS, facts_of, hook, tokens_of
from runbook_tui.webhooks.scheme import (
    ALGORITHMS,
    ENCODINGS,
    FORM,
    HEADER_TOKENS,
    KEY_FORMS,
    KINDS,
    PROBE_TOKENS,
    PROOF_TOKENS,
    PUBLIC_KEY,
    SIGNED_TOKENS,
    WRONG_FORMS,
    Scheme,
    Signatures,
    Tolerance,
)
from runbook_tui.webhooks.template import Template

_REQUIRED = {"webhook", "scheme", "name", "kind", "headers", "covers", "safe_event", "source", "checked_on"}
_OPTIONAL = {
    "key", "key_prefix", "alg", "signed", "enc", "id", "tolerance", "answer_within", "content_type", "notes", "code",
    "sigs", "event", "scope", "answers", "probes", "abuse", "min_token_bytes", "variants", "forms", "facts",
    "roll_window", "vectors", "unconfirmed",
}  # fmt: skip
_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_FACT = re.compile(r"[a-z][a-z0-9_]*")
_WHERE = re.compile(r"header:[A-Za-z0-9_-]+|body:(/[^/]+)+")
_FIELD = re.compile(r"fields:(/[^/]+)+")
_TAKEN = {*HEADER_TOKENS, *SIGNED_TOKENS, *PROBE_TOKENS}
_MOST_BYTES = 256
_MONTH = 31 * 86_400


def read_scheme(document: Document, stem: str) -> Scheme:
    """The scheme of `document`, whose file is `stem`.yaml; InputProblems lists every mistake in it."""
    return _Reader(document, stem).scheme()


class _Reader:
    def __init__(self, document: Document, stem: str) -> None:
        self.check = Checker(document)
        self.document = document
        self.stem = stem
        self.data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}

    def scheme(self) -> Scheme:
        if not isinstance(self.document.data, dict):
            raise InputProblems([self.document.problem((), "a scheme is a mapping", "begin with `webhook: 1`")])
        check, data = self.check, self.data
        check.mapping((), data, _REQUIRED, _OPTIONAL)
        if data.get("webhook", 1) != 1:
            check.refuse(("webhook",), "unknown format version", "this program reads `webhook: 1`")
        if data.get("scheme", self.stem) != self.stem or not NAME.fullmatch(self.stem):
            check.refuse(("scheme",), f"the scheme must be named like its file: {self.stem}")
        kind = check.choice((), data, "kind", KINDS, "")
        code = check.choice((), data, "code", ("", *HOOKS), "")
        alg = check.choice((), data, "alg", ALGORITHMS, "none")
        facts = self._facts()
        signed = check.template(("signed",), data.get("signed", ""), (*SIGNED_TOKENS, *facts))
        found = Scheme(
            id=self.stem,
            name=check.text((), data, "name"),
            kind=kind,
            key=check.choice((), data, "key", KEY_FORMS, "pem" if kind == "vendor-key" else "raw"),
            key_prefix=check.text((), data, "key_prefix", ""),
            alg=alg,
            signed=signed,
            enc=check.choice((), data, "enc", ENCODINGS, "hex"),
            headers=self._headers(kind, code, facts),
            covers=self._covers(signed, code),
            delivery_id=self._where("id"),
            tolerance=self._tolerance(),
            answer_within=check.seconds(("answer_within",), data.get("answer_within", 0)),
            safe_event=events.safe_event(check, ("safe_event",), data.get("safe_event", {})),
            source=check.text((), data, "source"),
            checked_on=check.day((), data, "checked_on"),
            content_type=check.text((), data, "content_type", "application/json"),
            notes=check.text((), data, "notes", ""),
            code=code,
            sigs=self._sigs(),
            event=self._where("event"),
            scope=self._where("scope"),
            answers=events.answers(check, data.get("answers", {})),
            probes=events.handshakes(check, "probes", data.get("probes", []), tuple(facts)),
            abuse=events.handshakes(check, "abuse", data.get("abuse", []), tuple(facts)),
            min_token_bytes=check.count((), data, "min_token_bytes", _MOST_BYTES),
            variants=events.variants(check, data.get("variants", {})),
            forms=check.names((), data, "forms", WRONG_FORMS),
            facts=facts,
            roll_window=int(check.seconds(("roll_window",), data.get("roll_window", 0), _MONTH)),
            vectors=check.names((), data, "vectors", None),
            unconfirmed=check.names((), data, "unconfirmed", None),
        )
        self._fit(found)
        if check.problems:
            raise InputProblems(check.problems)
        return found

    def _fit(self, found: Scheme) -> None:
        """What no field says alone: kind, algorithm and what is signed have to belong together."""
        says = bool(found.signed.parts) or bool(found.code)
        if found.carries_secret:
            fits = found.alg == "none" and not found.signed.parts
        else:
            fits = says and (found.alg != "none" or found.kind == "vendor-key")
        if found.kind and not fits:
            self.check.refuse(("kind",), f"`alg` and `signed` do not fit a scheme of kind {found.kind!r}",
                              "shared needs both (`code` instead of `signed`), vendor-key needs `signed`, "
                              "bearer and url-token have neither")  # fmt: skip
        if found.code:
            self._fit_code(found)
        if found.content_type == FORM and not _is_flat(found.safe_event.body):
            self.check.refuse(("safe_event", "body"), "a form is a mapping of names to texts and numbers")
        if found.kind == "shared" and (found.alg in PUBLIC_KEY) != (found.key in ("whsk", "pem")):
            self.check.refuse(("key",), f"the algorithm {found.alg} needs another form of key")
        if (found.alg == "sha256") != ("secret" in found.signed.tokens):
            self.check.refuse(("signed",), "{secret} is part of what is signed with the plain digest sha256, only")
        if any("sigs" in template.tokens for template in found.headers.values()) != (found.sigs is not None):
            self.check.refuse(("sigs",), "`sigs` and the header token {sigs} belong together")

    def _fit_code(self, found: Scheme) -> None:
        """A hook that signs nothing proves nothing in a scheme that signs, and the other way round."""
        code: Any = hook(found.code)
        if found.signed.parts:
            self.check.refuse(("code",), "`code` already says what is signed", "leave out `signed`")
        if hasattr(code, "content") == found.carries_secret or found.kind == "url-token":
            self.check.refuse(("code",), f"the code {found.code} does not fit a scheme of kind {found.kind!r}")
        in_header = any(template.tokens & PROOF_TOKENS for template in found.headers.values())
        if in_header == hasattr(code, "place"):
            where = "its code puts it into the body" if in_header else "no header holds it"
            self.check.refuse(("headers",), f"the proof has one place, and {where}")
        for name in sorted(set(facts_of(found.code)) - set(found.facts)):
            self.check.refuse(("facts",), f"the code {found.code} needs the fact {name!r}")

    def _facts(self) -> dict[str, str]:
        entries = self.data.get("facts", {})
        if not isinstance(entries, dict):
            self.check.refuse(("facts",), "`facts` must be a mapping of a name to what it is")
            return {}
        for name, said in entries.items():
            if not _FACT.fullmatch(str(name)) or not isinstance(said, str) or not said or name in _TAKEN:
                self.check.refuse(("facts", name), "a fact is a name in small letters and a sentence that says what "
                                  "it is")  # fmt: skip
        return {name: said for name, said in entries.items() if isinstance(said, str)}

    def _headers(self, kind: str, code: str, facts: dict[str, str]) -> dict[str, Template]:
        entries = self.data.get("headers", {})
        if not isinstance(entries, dict):
            self.check.refuse(("headers",), "`headers` must be a mapping of header name to template")
            return {}
        for name in entries:
            if not _HEADER_NAME.fullmatch(name):
                self.check.refuse(("headers", name), "not a header name")
        allowed = (*HEADER_TOKENS, *facts, *tokens_of(code))
        found = {name: self.check.template(("headers", name), text, allowed) for name, text in entries.items()}
        used = frozenset[str]().union(*(template.tokens for template in found.values())) & PROOF_TOKENS
        if "headers" in self.data and not (code and not used):
            self._proof_headers(kind, used)
        return found

    def _proof_headers(self, kind: str, used: frozenset[str]) -> None:
        if kind in ("shared", "vendor-key"):
            good, need = used in ({"sig"}, {"sigs"}, {"sig", "sig2"}), "{sig}, {sigs}, or {sig} and {sig2}"
        elif kind == "bearer":
            good, need = used == {"secret"}, "exactly {secret}"
        else:
            good, need = not used, "no proof: neither {sig} nor {secret}"
        if not good:
            self.check.refuse(("headers",), f"the headers of a scheme of kind {kind!r} must hold {need}")

    def _sigs(self) -> Signatures | None:
        if "sigs" not in self.data:
            return None
        entry = self.check.mapping(("sigs",), self.data["sigs"], {"each", "join"}, ())
        each = self.check.template(("sigs", "each"), entry.get("each", "{sig}"), ("sig",))
        if "sig" not in each.tokens:
            self.check.refuse(("sigs", "each"), "`each` must hold {sig}")
        join = entry.get("join", "")
        if not isinstance(join, str) or not join:
            self.check.refuse(("sigs", "join"), "`join` is the text between two signatures")
            return None
        return Signatures(each, join)

    def _covers(self, signed: Template, code: str) -> tuple[str, ...]:
        declared = self.check.names((), self.data, "covers", None)
        known = set(SIGNED_TOKENS.values()) - {""}
        actual = {SIGNED_TOKENS.get(token, "") for token in signed.tokens} - {""}
        if code:
            wrong = [part for part in declared if part not in known and not _FIELD.fullmatch(part)]
            for part in wrong:
                self.check.refuse(("covers",), f"unknown part {part!r} in `covers`",
                                  f"known: {', '.join(sorted(known))}, fields:/pointer")  # fmt: skip
        elif set(declared) != actual and "covers" in self.data:
            said = ", ".join(sorted(actual)) or "nothing"
            self.check.refuse(("covers",), f"`covers` does not fit `signed`, which covers {said}")
            return ()
        return declared

    def _where(self, name: str) -> str:
        value = self.data.get(name, "")
        if value and not (isinstance(value, str) and _WHERE.fullmatch(value)):
            what = {"id": "idempotency id", "event": "event's name", "scope": "project, account or app"}[name]
            self.check.refuse((name,), f"`{name}` says where the {what} stands", "header:<name> or body:/<pointer>")
            return ""
        return str(value)

    def _tolerance(self) -> Tolerance | None:
        if self.data.get("tolerance") is None:
            return None
        entry = self.check.mapping(("tolerance",), self.data["tolerance"], {"past", "enforced"}, {"future"})
        if entry and entry.get("enforced") not in ("sdk", "doc"):
            self.check.refuse(("tolerance", "enforced"), "`enforced` is sdk or doc")
        past = self.check.seconds(("tolerance", "past"), entry.get("past", 0))
        future = entry.get("future")
        later = None if future is None else int(self.check.seconds(("tolerance", "future"), future))
        return Tolerance(int(past), later, str(entry.get("enforced")))


def _is_flat(body: Any) -> bool:
    return isinstance(body, dict) and all(isinstance(value, str | int) for value in body.values())
