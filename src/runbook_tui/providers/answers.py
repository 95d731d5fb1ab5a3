"""What an answer means: its parts, whether it is what the operation expects, what it says about the credential."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import jmespath

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.text import one_line, plain
from runbook_tui.net.client import Answer
from runbook_tui.playbook.conditions import holds
from runbook_tui.providers.manifest import Expect, Manifest, Operation, VerdictRule
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Credential

HEADER = "header:"  # an output that stands in a header: `header:x-oauth-scopes`
_TEXT_LIMIT = 500
_MOST_ITEMS = 1000
_DEEPEST = 6


@dataclass(frozen=True)
class Parsed:
    """A complete answer. `body` is None when it is not JSON (or XML) at all. It may hold a new secret: no repr."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: Any = field(repr=False)
    readable: bool

    def scope(self) -> dict[str, Any]:
        """What conditions see."""
        return {"status": self.status, "body": self.body, "header": self.headers}

    def fits(self, expect: Expect) -> bool:
        """Whether status and condition hold."""
        return self.status in expect.status and (expect.when is None or holds(expect.when, self.scope()))


def parse_answer(answer: Answer, form: str) -> Parsed:
    """Read the body; an empty one is readable and None."""
    body, readable = None, True
    if answer.body.strip():
        body, readable = _xml(answer.body) if form == "xml" else _json(answer.body)
    return Parsed(answer.status, dict(reversed(answer.headers)), body, readable)


def search(query: str, body: Any) -> Any:
    """JMESPath; None when there is nothing, whatever the body's shape."""
    if query.startswith(HEADER):
        return None
    try:
        return jmespath.search(query, body)
    except (jmespath.exceptions.JMESPathError, RecursionError):
        return None


def message(manifest: Manifest, parsed: Parsed) -> str:
    """The vendor's own words about a refusal, on one line; empty when there are none."""
    found = search(manifest.error, parsed.body) if manifest.error and parsed.readable else None
    return one_line(found, 160) if isinstance(found, str) else ""


def outputs(operation: Operation, parsed: Parsed) -> dict[str, Any]:
    """The named values of one answer that holds one thing."""
    found = item_outputs(operation, parsed.body)
    for name, query in operation.outputs.items():
        if query.startswith(HEADER):
            found[name] = tidy(parsed.headers.get(query.removeprefix(HEADER)))
    return found


def items(operation: Operation, parsed: Parsed) -> list[Any] | None:
    """The answer's list; None when there is none."""
    found = search(operation.items, parsed.body) if operation.items != "@" else parsed.body
    if found == "" or (found is None and parsed.body == ""):
        return []  # an empty XML element
    return found if isinstance(found, list) else None


def item_outputs(operation: Operation, item: Any) -> dict[str, Any]:
    """The named values of one item of a list. A number under a name that ends in `at` is a time: RFC 3339."""
    return {name: _instant(name, tidy(search(query, item))) for name, query in operation.outputs.items()}


def _instant(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (name == "at" or name.endswith("_at")):
        return value
    if not 1e8 < value < 1e14:  # no time of ours; a number of a thousand digits cannot even be divided
        return value
    seconds = value / 1000 if value > 1e11 else value  # some vendors count milliseconds
    return iso(datetime.fromtimestamp(seconds, UTC)) if 1e8 < seconds < 1e11 else value


def tidy(value: Any, depth: int = 0) -> Any:
    """Foreign data made safe to record: bounded, no control characters, plain types."""
    if isinstance(value, str):
        return plain(value, _TEXT_LIMIT)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # 1e999 is valid JSON on the way in, infinity is none on the way out
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {plain(str(key), 80): tidy(part, depth + 1) for key, part in list(value.items())[:_MOST_ITEMS]}
    return [tidy(part, depth + 1) for part in list(value)[:_MOST_ITEMS]]


def scrub(value: Any, secrets: Iterable[tuple[str, str]]) -> Any:
    """`value` with every known secret replaced by its mask: vendors echo keys in errors, lists and names of fields.

    As it stands it becomes the mask; in another form (encoded, escaped, cut off) the mask in guillemets.
    """
    known = list(secrets)
    redactor = Redactor()
    for secret, shown in known:
        with contextlib.suppress(RunbookError):  # too short to be told from ordinary text: as it stands, or not at all
            redactor.add(Secret(secret), shown)
    return redactor.data(_replaced(value, known))


def _replaced(value: Any, secrets: list[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for secret, shown in secrets:
            value = value.replace(secret, shown)
        return value
    if isinstance(value, dict):
        return {_replaced(key, secrets): _replaced(part, secrets) for key, part in value.items()}
    return [_replaced(part, secrets) for part in value] if isinstance(value, list) else value


def rule_for(operation: Operation, parsed: Parsed, found: Mapping[str, Any]) -> VerdictRule | None:
    """The first verdict rule that fits; a rule without a status fits expected answers only."""
    scope = {**parsed.scope(), **found}
    for rule in operation.verdict:
        status = rule.status or operation.expect.status
        if parsed.status in status and (rule.when is None or holds(rule.when, scope)):
            return rule
    return None


def recognises(shown: Any, credential: Credential) -> bool:
    """Whether a redacted value such as `sk-ab…wxyz` can be this credential's: same start, same end, no more to see."""
    if credential.secret is None or not isinstance(shown, str):
        return False
    parts = re.split(r"[*•.…xX]{2,}|…", shown)
    if len(parts) != 2 or len(parts[0]) + len(parts[1]) < 4:
        return False
    value = credential.secret.expose()
    return len(value) > len(parts[0]) + len(parts[1]) and value.startswith(parts[0]) and value.endswith(parts[1])


def _json(body: bytes) -> tuple[Any, bool]:
    try:
        return strict_json.loads(body), True
    except ValueError:
        return None, False


def _xml(body: bytes) -> tuple[Any, bool]:
    try:
        # As text, because in another encoding a document type would pass unseen; parsed text has no other encoding.
        text = body.decode("utf-8-sig")
        # No document type, so no entities: nothing to expand, nothing to fetch. A NUL is UTF-16 in disguise.
        if "<!DOCTYPE" in text or "<!ENTITY" in text or "\0" in text:
            return None, False
        found = _element(ElementTree.fromstring(text), 0)  # noqa: S314 - see above
    except (ElementTree.ParseError, RecursionError, ValueError):
        return None, False
    # AWS has two forms of a refusal, <Error> and <Errors><Error>: one is enough for a manifest.
    if isinstance(found, dict) and isinstance(found.get("Errors"), dict):
        found = {**found["Errors"], **found}
    return found, True


def _element(element: ElementTree.Element, depth: int) -> Any:
    if depth > 50:
        raise ValueError("nested too deep")
    children = list(element)
    if not children:
        return element.text or ""
    names = [child.tag.rpartition("}")[2] for child in children]
    values = [_element(child, depth + 1) for child in children]
    if set(names) == {"member"}:  # how AWS writes a list
        return values
    return dict(zip(names, values, strict=True))
