"""Substitution, the only computing a playbook, manifest or scheme can do.

`$name.path` as a whole scalar yields the value with its type; `$(name.path)` inside text yields text; `$$` is a dollar.
A path walks mappings by key and lists by index. There are no filters, no calls, no arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runbook_tui.foundation.errors import RunbookError

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_WHOLE = re.compile(rf"\$({_NAME})")
_INSIDE = re.compile(rf"\$\$|\$\(({_NAME})\)|\$")


class Unresolved(RunbookError):
    """A reference to something that does not exist (yet)."""

    def __init__(self, path: str, hint: str = "") -> None:
        self.path = path
        super().__init__(f"${path} has no value", hint)


def lookup(path: str, scope: Mapping[str, Any]) -> Any:
    """The value at a dotted path; raises Unresolved when a part is missing."""
    value: Any = scope
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdecimal() and len(part) < 10 and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Unresolved(path)
    return value


def resolve(template: Any, scope: Mapping[str, Any], escape: Callable[[str], str] | None = None) -> Any:
    """`template` with every reference replaced.

    `escape` is applied to each value that lands *inside* text (a URL segment, a header), never to the text around it,
    so no value can change the structure of what it is put into.
    """
    if isinstance(template, str):
        whole = _WHOLE.fullmatch(template)
        if whole:
            return lookup(whole.group(1), scope)
        return _INSIDE.sub(lambda match: _piece(match, scope, escape), template)
    if isinstance(template, Mapping):
        return {key: resolve(value, scope, escape) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [resolve(value, scope, escape) for value in template]
    return template


def _piece(match: re.Match[str], scope: Mapping[str, Any], escape: Callable[[str], str] | None) -> str:
    if match.group() == "$$":
        return "$"
    if match.group(1) is None:
        raise RunbookError("a lone $ in text", "write $$ for a dollar sign, or $(name.path) for a value")
    value = lookup(match.group(1), scope)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise RunbookError(f"$({match.group(1)}) stands inside text but is not text or a number")
    return escape(str(value)) if escape else str(value)


def references(template: Any) -> Iterator[str]:
    """Every dotted path that `template` refers to."""
    if isinstance(template, str):
        whole = _WHOLE.fullmatch(template)
        if whole:
            yield whole.group(1)
        else:
            yield from (match.group(1) for match in _INSIDE.finditer(template) if match.group(1))
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from references(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from references(value)


def mistakes(template: str) -> str | None:
    """Why a text is not a valid template, or None."""
    if _WHOLE.fullmatch(template):
        return None
    for match in _INSIDE.finditer(template):
        if match.group() == "$":
            return "a lone $: write $$ for a dollar sign, $name.path for a value, $(name.path) inside text"
    return None
