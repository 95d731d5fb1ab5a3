"""Who may act on what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.providers.drafting import Subjects
from runbook_tui.providers.manifest import Manifest, Operation
from runbook_tui.secrets.vault import Credential

_SENTENCES = {
    "revoke": "ends {what} for good",
    "rotate": "replaces {what} and ends the old one",
    "disable": "switches {what} off",
    "restore": "switches {what} on again",
    "offboard": "removes {what}",
    "create": "makes a new {kind} like {what}",
    "store": "stores the new secret",
    "add": "adds something",
    "change": "changes something",
    "notify": "sends a message",
}


def check_roles(manifest: Manifest, operation: Operation, subjects: Subjects) -> Credential | None:
    """Who signs; None when nobody does. RunbookError when nobody is there who may.

    An administrative call is never signed with the credential it is about: whoever holds the leaked one could undo
    or watch it, and revoking it would cut off the response itself.
    """
    if operation.identity == "none":
        return None
    holder = subjects.get(operation.identity)
    if holder is None:
        hint = "add one with `runbook credential add`, or do it by hand in the dashboard"
        raise RunbookError(f"{manifest.name}: {operation.title} needs a credential as {operation.identity}", hint)
    foreign = manifest.admin_from if operation.identity == "admin" else ()
    if holder.binding.provider not in ("", manifest.id, *foreign):
        raise RunbookError(f"{holder.name} belongs to {holder.binding.provider}, not to {manifest.id}")
    about = subjects.get("credential")
    if operation.identity == "admin" and about is not None and _same(holder, about):
        hint = "use another administrative credential that was never exposed, and check it first"
        what = "the leaked credential itself" if about.secret is not None else f"of the same account, {about.name}"
        raise RunbookError(f"{holder.name} is {what}: it does not sign for its own case", hint)
    return holder


def _same(one: Credential, other: Credential) -> bool:
    if one.secret is not None and other.secret is not None and one.secret == other.secret:
        return True
    both = one.binding, other.binding
    return bool(both[0].key_id) and both[0].provider == both[1].provider and both[0].key_id == both[1].key_id


def sentence(manifest: Manifest, operation: Operation, subjects: Subjects, args: Mapping[str, Any], base: str) -> str:
    """What the call does to what, for the confirmation and the report."""
    about = subjects.get("credential") or subjects.get("admin")
    name = about.name if about else "?"
    key = f" ({about.binding.key_id})" if about and about.binding.key_id else ""
    effect = operation.effect
    if effect and effect.target in ("named", "derived"):
        given = ", ".join(f"{key} {value}" for key, value in args.items() if value is not None)
        return f"{manifest.name}: {operation.title}" + (f" ({given})" if given else "") + f", at {base}"
    does = _SENTENCES[effect.verb].format(what=name + key, kind=manifest.credential_name) if effect else operation.title
    return f"{manifest.name}: {does}, at {base}"
