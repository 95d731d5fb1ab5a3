"""A delivery in the making, and the code hooks for schemes that a template cannot describe.

A hook is a module of `hooks/`, found by its name. It is pure and may define

- `TOKENS`: further tokens for the scheme's header templates, which its `prepare` puts into the values;
- `FACTS`: names that the scheme's `facts` must have for it;
- `prepare(draft) -> Draft`: what the vendor adds to every delivery, signed or not (a body hash in the URL, say);
- `content(draft) -> bytes`: what is signed;
- `proof(draft, signature) -> str`: the text that travels, when it is more than the encoded signature;
- `place(draft, proof) -> Draft`: puts the proof where no header template reaches, such as into the body.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks import hooks
from runbook_tui.webhooks.scheme import Scheme

HOOKS = tuple(sorted(module.name for module in pkgutil.iter_modules(hooks.__path__)))


@dataclass(frozen=True)
class Draft:
    """`values` are the tokens as this delivery shows them; `content_type` and `method` are the request's."""

    scheme: Scheme
    at: datetime
    method: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str
    values: Mapping[str, str] = field(repr=False)

    def having(self, **values: str) -> Draft:
        return replace(self, values={**self.values, **values})

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; RunbookError when it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RunbookError("the body is not a JSON object", f"{self.scheme.name} signs parts of one")
        return found

    def with_json(self, data: Any) -> Draft:
        return replace(self, body=compact(data))


def compact(data: Any) -> bytes:
    """JSON as ASCII without white space: the usual JSON writers give the same bytes again."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")


@cache
def hook(name: str) -> ModuleType:
    """The hook called `name`, one of HOOKS."""
    return import_module(f"{hooks.__name__}.{name}")


def facts_of(name: str) -> tuple[str, ...]:
    """Facts that the hook reads; none without a hook."""
    return tuple(getattr(hook(name), "FACTS", ())) if name else ()


def tokens_of(name: str) -> tuple[str, ...]:
    """Tokens that the hook adds for header templates; none without a hook."""
    return tuple(getattr(hook(name), "TOKENS", ())) if name else ()


def rewrites(scheme: Scheme) -> bool:
    """The proof stands inside the body, which is written anew with it."""
    return bool(scheme.code) and hasattr(hook(scheme.code), "place")
