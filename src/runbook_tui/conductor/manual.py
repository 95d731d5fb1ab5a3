"""The path by hand: what an operator does when there is no call, or when a call is refused."""

from __future__ import annotations

from typing import Any

from runbook_tui.conductor.kit import Kit
from runbook_tui.incident.state import Subject
from runbook_tui.secrets.vault import Binding, Credential


def manual_path(kit: Kit, subject: Subject, operation: str) -> dict[str, Any]:
    """How to do it by hand: {link, steps}."""
    if not subject.provider:
        return {
            "link": "",
            "steps": [f"{operation.capitalize()} {subject.label()} where it is kept.", "Come back here."],
        }
    manifest = kit.catalogue.get(subject.provider)
    task = None
    if manifest.can(operation) == "manual":
        # From what is recorded alone: the path has to show when the vault or the admin credential is the trouble.
        known = Binding(subject.provider, {}, subject.key_id, dict(subject.attributes))
        task = kit.engine.manual(operation, {"credential": Credential(subject.name, None, known)})
    if task is not None:
        link, steps = task.link, [*task.steps, *([task.note] if task.note else [])]
    else:
        offered = manifest.operations.get(operation)
        what = f"{offered.title if offered else operation}: {subject.label()}."
        link, steps = manifest.docs, [f"Open the dashboard of {manifest.name}.", what, "Come back here."]
    if kit.dashboard:
        link = kit.dashboard
        press = [
            "DRILL: press its button on that page, or in another terminal:",
            f"curl -X POST {link}/{operation}",
        ]
        none = ["DRILL: the simulated dashboard has none of it;", "say what you would look at."]
        steps += none if task is None else press
    return {"link": link, "steps": steps}
