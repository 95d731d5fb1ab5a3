"""Reads schemes from strict YAML: the shipped ones and a team's own. One file is one scheme, named after it.

```yaml
webhook: 1
scheme: stripe                       # the file is stripe.yaml
name: Stripe
kind: shared                         # shared | bearer | url-token | vendor-key
key: raw                             # raw | b64 | hex | whsec
key_prefix: whsec_                   # optional
alg: hmac-sha256                     # hmac-sha1 | hmac-sha256 | hmac-sha512 | none
signed: "{ts}.{body}"                # tokens only; see scheme.SIGNED_TOKENS
enc: hex                             # hex | b64
headers: {Stripe-Signature: "t={ts},v1={sig}"}
covers: [body, ts]                   # must be what `signed` covers
id: body:/id                         # header:<name> | body:<JSON pointer>; left out = none
tolerance: {past: 300, enforced: sdk}
answer_within: 10                    # seconds; left out = not published
safe_event: {event: ping, body: {id: "{id}"}, caution: "..."}
content_type: application/json       # optional
notes: "..."                         # optional
source: "..."
checked_on: 2026-11-22
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.ids import NAME
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import Document, load_file
from runbook_tui.foundation.text import one_line
from runbook_tui.webhooks.scheme import (
    ALGORITHMS,
    BODY_TOKENS,
    ENCODINGS,
    HEADER_TOKENS,
    KEY_FORMS,
    KINDS,
    PROOF_TOKENS,
    SIGNED_TOKENS,
    SafeEvent,
    Scheme,
    Template,
    Tolerance,
)

_REQUIRED = {"webhook", "scheme", "name", "kind", "headers", "covers", "safe_event", "source", "checked_on"}
_OPTIONAL = {
    "key", "key_prefix", "alg", "signed", "enc", "id", "tolerance", "answer_within", "content_type", "notes",
}  # fmt: skip
_SIGNING = {"shared", "vendor-key"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DELIVERY_ID = re.compile(r"header:[A-Za-z0-9_-]+|body:(/[^/]+)+")


class Schemes:
    """The known schemes. A scheme's file is read when it is asked for, so a broken one stops nobody else."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    @classmethod
    def load(cls, extra_folders: Iterable[Path] = ()) -> Schemes:
        """The shipped schemes and those of `extra_folders` (a workspace's `schemes/`; a missing folder is empty).

        InputProblems when a file has the name of a scheme that is there already: a test must not silently change.
        """
        files: dict[str, Path] = {}
        for folder in (shipped("webhooks", "schemes"), *extra_folders):
            for path in sorted(folder.glob("*.yaml")):
                if path.stem in files:
                    message = f"the scheme {path.stem!r} exists already ({files[path.stem]})"
                    raise InputProblems([Problem(str(path), 1, 1, message, "rename your file and its `scheme`")])
                files[path.stem] = path
        return cls(files)

    def ids(self) -> list[str]:
        return sorted(self._files)

    def get(self, scheme: str) -> Scheme:
        """RunbookError for an unknown name, InputProblems for a file that is not a scheme."""
        path = self._files.get(scheme)
        if path is None:
            raise RunbookError(f"unknown webhook scheme {one_line(scheme, 80)!r}", f"known: {', '.join(self.ids())}")
        return read(path)


def read(path: Path) -> Scheme:
    """One scheme file; InputProblems lists every mistake in it."""
    return _Reader(load_file(path), path.stem).scheme()


class _Reader:
    """Checks a document field by field, collecting problems, and builds the scheme when there are none."""

    def __init__(self, document: Document, stem: str) -> None:
        self.document = document
        self.stem = stem
        self.data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}
        self.problems: list[Problem] = []

    def scheme(self) -> Scheme:
        if not isinstance(self.document.data, dict):
            raise InputProblems([self.document.problem((), "a scheme is a mapping", "begin with `webhook: 1`")])
        self._fields((), self.data, _REQUIRED, _OPTIONAL)
        if self.data.get("webhook", 1) != 1:
            self._refuse(("webhook",), "unknown format version", "this program reads `webhook: 1`")
        if self.data.get("scheme", self.stem) != self.stem or not NAME.fullmatch(self.stem):
            self._refuse(("scheme",), f"the scheme must be named like its file: {self.stem}")
        kind = self._choice("kind", tuple(KINDS), "")
        signs = kind in _SIGNING
        signed = self._template(("signed",), self.data.get("signed", ""), tuple(SIGNED_TOKENS))
        alg = self._choice("alg", ALGORITHMS, "none")
        headers = self._headers(kind)
        covers = self._covers(signed)
        if (kind == "shared") != (alg != "none") or signs != bool(signed.parts):
            self._refuse(("kind",), f"`alg` and `signed` do not fit a scheme of kind {kind!r}",
                         "shared needs both, vendor-key needs `signed`, bearer and url-token have neither")  # fmt: skip
        found = Scheme(
            id=self.stem,
            name=self._text("name"),
            kind=kind,
            key=self._choice("key", tuple(KEY_FORMS), "raw"),
            key_prefix=self._text("key_prefix", ""),
            alg=alg,
            signed=signed,
            enc=self._choice("enc", ENCODINGS, "hex"),
            headers=headers,
            covers=covers,
            delivery_id=self._delivery_id(),
            tolerance=self._tolerance(),
            answer_within=self._seconds(("answer_within",), self.data.get("answer_within", 0)),
            safe_event=self._safe_event(),
            source=self._text("source"),
            checked_on=self._date(),
            content_type=self._text("content_type", "application/json"),
            notes=self._text("notes", ""),
        )
        if self.problems:
            raise InputProblems(self.problems)
        return found

    def _refuse(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.problems.append(self.document.problem(path, message, hint))

    def _fields(self, path: tuple[str, ...], data: dict[str, Any], required: set[str], optional: set[str]) -> None:
        for name in data:
            if name not in required | optional:
                known = ", ".join(sorted(required | optional))
                self._refuse((*path, name), f"unknown field {one_line(name, 60)!r}", f"known: {known}")
        for name in sorted(required - set(data)):
            self._refuse(path, f"the field {name!r} is missing")

    def _text(self, name: str, default: str | None = None) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            if name in self.data:
                self._refuse((name,), f"{name!r} must be text", "put it in quotes")
            return ""
        return value

    def _choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self.data.get(name, default)
        if value in known:
            return str(value)
        if name in self.data:
            self._refuse((name,), f"unknown {name} {one_line(str(value), 60)!r}", f"known: {', '.join(known)}")
        return default

    def _template(self, path: tuple[str, ...], value: Any, allowed: tuple[str, ...]) -> Template:
        try:
            if not isinstance(value, str) or not value.isascii():
                raise ValueError("a template is ASCII text")
            return Template.parse(value, allowed)
        except ValueError as error:
            self._refuse(path, f"not a template: {error}")
            return Template("", ())

    def _headers(self, kind: str) -> dict[str, Template]:
        entries = self.data.get("headers", {})
        if not isinstance(entries, dict):
            self._refuse(("headers",), "`headers` must be a mapping of header name to template")
            return {}
        for name in entries:
            if not _HEADER_NAME.fullmatch(name):
                self._refuse(("headers", name), "not a header name")
        found = {name: self._template(("headers", name), text, HEADER_TOKENS) for name, text in entries.items()}
        used = frozenset[str]().union(*(template.tokens for template in found.values())) & PROOF_TOKENS
        wanted = {"shared": {"sig"}, "vendor-key": {"sig"}, "bearer": {"secret"}}.get(kind, set())
        if used != wanted and "headers" in self.data:
            need = f"exactly {{{', '.join(wanted)}}}" if wanted else "neither {sig} nor {secret}"
            self._refuse(("headers",), f"the headers of a scheme of kind {kind!r} must hold {need}")
        return found

    def _covers(self, signed: Template) -> tuple[str, ...]:
        declared = self.data.get("covers", [])
        actual = {SIGNED_TOKENS[token] for token in signed.tokens}
        if not isinstance(declared, list) or {str(part) for part in declared} != actual:
            if "covers" in self.data:
                said = ", ".join(sorted(actual)) or "nothing"
                self._refuse(("covers",), f"`covers` does not fit `signed`, which covers {said}")
            return ()
        return tuple(declared)

    def _delivery_id(self) -> str:
        value = self.data.get("id", "")
        if value and not (isinstance(value, str) and _DELIVERY_ID.fullmatch(value)):
            self._refuse(("id",), "`id` says where the idempotency id stands", "header:<name> or body:/<pointer>")
            return ""
        return str(value)

    def _tolerance(self) -> Tolerance | None:
        entry = self.data.get("tolerance")
        if entry is None:
            return None
        if not isinstance(entry, dict):
            self._refuse(("tolerance",), "`tolerance` must be a mapping, like {past: 300, enforced: sdk}")
            return None
        self._fields(("tolerance",), entry, {"past", "enforced"}, {"future"})
        if entry.get("enforced") not in ("sdk", "doc"):
            self._refuse(("tolerance", "enforced"), "`enforced` is sdk or doc")
        past = self._seconds(("tolerance", "past"), entry.get("past", 0))
        future = entry.get("future")
        later = None if future is None else int(self._seconds(("tolerance", "future"), future))
        return Tolerance(int(past), later, str(entry.get("enforced")))

    def _seconds(self, path: tuple[str, ...], value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
            self._refuse(path, "must be a number of seconds between 0 and 86400")
            return 0.0
        return float(value)

    def _safe_event(self) -> SafeEvent:
        entry = self.data.get("safe_event", {})
        if not isinstance(entry, dict):
            self._refuse(("safe_event",), "`safe_event` must be a mapping with `event` and `body`")
            return SafeEvent("", {})
        if "safe_event" in self.data:
            self._fields(("safe_event",), entry, {"event", "body"}, {"caution"})
        event, body, caution = entry.get("event", ""), entry.get("body", {}), entry.get("caution", "")
        if not isinstance(event, str) or not isinstance(caution, str) or not isinstance(body, dict | list):
            self._refuse(("safe_event",), "`event` and `caution` are text, `body` is a mapping or a list")
            return SafeEvent("", {})
        self._body_templates(("safe_event", "body"), body)
        return SafeEvent(event, body, caution)

    def _body_templates(self, path: tuple[str | int, ...], value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                self._body_templates((*path, name), inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._body_templates((*path, index), inner)
        elif isinstance(value, str):
            try:
                Template.parse(value, BODY_TOKENS)
            except ValueError as error:
                self._refuse(path, f"not a template: {error}")

    def _date(self) -> str:
        value = self.data.get("checked_on", "")
        try:
            return date.fromisoformat(value).isoformat()
        except (TypeError, ValueError):
            if "checked_on" in self.data:
                self._refuse(("checked_on",), "`checked_on` must be a day like 2026-11-22")
            return ""
