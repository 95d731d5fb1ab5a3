"""The consumers of a drill: services that re-read where their key is kept, and use what they find."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from runbook_tui.drill.estate import Consumer, Estate
from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.secrets.fingerprint import mask
from runbook_tui.secrets.secret import Secret


def tick(estate: Estate) -> None:
    """Let every consumer do what it has done by now: notice a change, load it, use it."""
    for consumer in estate.consumers:
        value = _source(estate, consumer)
        if value and value != consumer.noticed:
            consumer.noticed, consumer.noticed_at = value, estate.now
        if consumer.using != consumer.noticed and _due(estate, consumer):
            consumer.using, consumer.loaded_at = consumer.noticed, estate.now
        key = estate.by_secret(consumer.provider, consumer.using)
        if key is not None and estate.accepts(key):
            key.used = estate.now


def health(estate: Estate, consumer: Consumer, prefixes: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
    """What the service's health page answers: 200 once it runs on another key than the leaked one, 503 before.

    `status` is ok, stale (still on the leaked key) or failing (the provider refuses its key); `key_id` is the
    provider's id of the key in use ("" where keys have none) and `key` its mask, nothing else of it.
    """
    key = estate.by_secret(consumer.provider, consumer.using)
    accepted = key is not None and estate.accepts(key)
    works = accepted and key is not None and key.role != "leaked"
    shown = {
        "status": "ok" if works else "stale" if accepted else "failing",
        "key_id": key.id if key is not None else "",
        "key": mask(Secret(consumer.using), prefixes) if consumer.using else "",
        "loaded_at": consumer.loaded_at,
        "last_call": {"at": iso(estate.time()), "accepted": accepted},
    }
    return (200 if works else 503), shown


def sources(estate: Estate) -> dict[str, str]:
    """What stands where each consumer takes its key from: the `leaked` one, any `other`, or `none`."""
    leaked = {key.secret for key in estate.keys if key.role == "leaked"}
    found = {one.id: _source(estate, one) for one in estate.consumers}
    return {name: "none" if not value else "leaked" if value in leaked else "other" for name, value in found.items()}


def env_value(content: str, variable: str) -> str:
    """The value of `variable` in the text of an env file; "" when it is not there."""
    for line in content.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() == variable:
            value = value.strip()
            return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    return ""


def _due(estate: Estate, consumer: Consumer) -> bool:
    return estate.time() >= parse_instant(consumer.noticed_at) + timedelta(seconds=consumer.reload)


def _source(estate: Estate, consumer: Consumer) -> str:
    if consumer.kind == "secret-manager":
        entry = estate.entries.get(consumer.place)
        return entry.data.get(consumer.field, "") if entry else ""
    try:
        return env_value(Path(consumer.place).read_text(encoding="utf-8"), consumer.field)
    except (OSError, UnicodeDecodeError):
        return ""  # a service keeps the key it has when its file cannot be read
