"""`runbook run --dry-run`: every step of the advised order with its masked request; nothing is sent or kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit
from runbook_tui.foundation.clock import RealClock
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.vault import SessionVault

if TYPE_CHECKING:
    from runbook_tui.cli.intake import Prepared
    from runbook_tui.playbook.model import Playbook
    from runbook_tui.secrets.vault import Vault


def _vault(prepared: Prepared) -> Vault:
    """The chosen vault; a value that was pasted for this run is kept in memory, and with it what it needs."""
    vault = prepared.vault()
    if not prepared.secrets:
        return vault
    fresh = SessionVault()
    for credential in prepared.secrets:
        fresh.put(credential)
    from runbook_tui.conductor.opening import BY_HAND

    admin = prepared.setup.admin
    if admin and admin != BY_HAND:
        fresh.put(vault.get(admin))
    return fresh


def show_plan(book: Playbook, prepared: Prepared, *, as_json: bool) -> int:
    """Print the plan for each order of the playbook."""
    from runbook_tui.cli.setup import make_kit, read_inventory
    from runbook_tui.conductor.client import LocalClient
    from runbook_tui.conductor.core import Conductor
    from runbook_tui.conductor.opening import Opening, open_incident
    from runbook_tui.foundation.places import user_name
    from runbook_tui.incident.order import advise, usable
    from runbook_tui.incident.plan import plan
    from runbook_tui.journal.store import Journal
    from runbook_tui.net.client import Network

    setup, clock = prepared.setup, RealClock()
    setup.mode = "dry-run"
    vault = _vault(prepared)
    with tempfile.TemporaryDirectory(prefix="runbook-dry-run-") as folder:
        kit = make_kit(setup, Places.default(), vault, Network(), clock, read_inventory(setup))
        journal = Journal.create(Path(folder) / "journal.db", clock, kit.redactor.data)
        conductor = Conductor(book, journal, kit, user_name())
        open_incident(conductor, Opening(setup.incident, "dry-run", setup.inputs, setup.admin))
        client = LocalClient(conductor, "dry run")
        advice = advise(conductor.state)
        order = usable(advice, book.orders)
        if book.orders:
            decision: dict[str, Any] = {"recommended": order, "rule": advice.rule, "why": advice.why, "reason": ""}
            conductor.record("decision", {"order": order, **decision, "options": list(book.orders)})
        rows = []
        for step in plan(book, conductor.state):
            try:
                told = client.request("prompts", step=step.id)
            except RunbookError as error:
                told = {"prompts": [], "preview": {"sentence": error.message}, "batch": []}
            asks = [prompt["ask"] for prompt in told["prompts"]]
            rows.append(
                {"id": step.id, "phase": step.phase, "title": step.title, "request": told["preview"], "asks": asks}
            )
        journal.close()
    document = {"playbook": book.id, "order": order, "rule": advice.rule, "why": advice.why, "steps": rows}
    if as_json:
        emit(document)
        return Exit.GOOD
    if book.orders:
        click.echo(f"DRY RUN. With the facts unknown, {advice.rule} advises {order.replace('_', ' ')}: {advice.why}")
    for number, row in enumerate(rows, 1):
        click.echo(f"{number:>3} {row['phase']:<9} {row['title']}")
        request = row["request"] or {}
        if request.get("method"):
            click.echo(f"      {request['method']} {request['url']}")
        if request.get("sentence"):
            click.echo(f"      {request['sentence']}")
        for ask in row["asks"]:
            click.echo(f"      asks: {ask}")
    return Exit.GOOD
