"""The rest of a list: the next request, always at the same origin."""

from __future__ import annotations

import re
from copy import deepcopy
from urllib.parse import parse_qsl

from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import check, parse
from runbook_tui.providers.answers import Parsed, items, search
from runbook_tui.providers.drafting import Draft
from runbook_tui.providers.manifest import Operation

_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')  # never past the next address: a header full of them


class ForeignPage(Exception):
    """The next page is said to be somewhere else: following it would hand the credential to that place."""


def next_page(operation: Operation, made: Draft, parsed: Parsed, page: int) -> Draft | None:
    """The request for the page after `page`, or None when that was the last. Raises ForeignPage."""
    rule = operation.paginate
    if rule is None or (rule.more and not search(rule.more, parsed.body)):
        return None
    if rule.style == "page":
        return _with(made, rule.place, rule.send, str(page + 1)) if items(operation, parsed) else None
    if rule.style == "cursor":
        cursor = search(rule.source, parsed.body)
        return _with(made, rule.place, rule.send, str(cursor)) if isinstance(cursor, str | int) and cursor else None
    if rule.style == "link":
        found = _NEXT.search(parsed.headers.get("link", ""))
        address = found.group(1) if found else None
    else:
        address = search(rule.source, parsed.body)
    return _at(made, address) if isinstance(address, str) and address else None


def _with(made: Draft, place: str, name: str, value: str) -> Draft:
    following = deepcopy(made)
    if place == "query":
        following.query = [*((key, old) for key, old in made.query if key != name), (name, value)]
    elif place == "form":
        following.form = {**(made.form or {}), name: value}
    else:
        following.json = {**(made.json or {}), name: value}
    return following


def _at(made: Draft, address: str) -> Draft:
    base = parse(made.base)
    if address.startswith("/"):
        address = base.place + address
    try:
        target = check(address, [made.base])
    except NetFault:
        raise ForeignPage from None
    following = deepcopy(made)
    prefix = base.path.rstrip("/")
    following.path = target.path[len(prefix) :]
    following.query = parse_qsl(target.query[1:], keep_blank_values=True)
    return following
