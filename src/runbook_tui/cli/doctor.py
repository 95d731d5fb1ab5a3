"""`runbook doctor`: whether what the promises rest on holds on this machine, looked at before there is an incident.

`--json`: {"doctor": 1, "healthy": bool, "findings": [{"check", "state": "ok" | "warn" | "bad", "detail", "hint",
"protects"}]}, always every check, in one order. `protects` is the promise that would not hold otherwise.
"""

from __future__ import annotations

from dataclasses import asdict

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.checks import finding as promise
from runbook_tui.cli.checks import memory, session, software, store, vaults
from runbook_tui.cli.checks.finding import Check, run_checks
from runbook_tui.cli.wiring import places
from runbook_tui.foundation.errors import Exit

CHECKS = (
    Check("vault", promise.STORED, vaults.vault),
    Check("keyring", promise.STORED, vaults.keyring),
    Check("other keyrings", promise.STORED, vaults.other_backends),
    Check("clock", promise.EVIDENCE, session.clock),
    Check("disk", promise.KEPT, store.disk),
    Check("file system", promise.KEPT, store.file_system),
    Check("permissions", promise.PRIVATE, store.permissions),
    Check("sockets", promise.PRIVATE, store.sockets),
    Check("incidents", promise.UNKNOWN, store.incidents),
    Check("logout", promise.LASTS, session.logout),
    Check("swap", promise.UNSPILT, memory.swap),
    Check("core dumps", promise.UNSPILT, memory.cores),
    Check("debuggers", promise.UNSPILT, memory.debuggers),
    Check("environment", promise.UNSPILT, software.environment),
    Check("runtime", promise.KEPT, software.runtime),
    Check("git", promise.SEARCHED, software.git),
    Check("terminal", promise.SHOWN, session.terminal),
)


@click.command("doctor")
@json_option
def command(*, as_json: bool) -> int:
    """Check this machine. Exit code: 0 nothing bad (warnings are no failure), 1 something is bad."""
    findings = run_checks(CHECKS, places())
    worst = any(one.state == "bad" for one in findings)
    if as_json:
        emit({"doctor": 1, "healthy": not worst, "findings": [asdict(one) for one in findings]})
        return Exit.BAD if worst else Exit.GOOD
    for one in findings:
        click.echo(f"{one.state:<5}{one.check:<15}{one.detail}")
        if one.hint and one.state != "ok":
            click.echo(f"{'':<20}hint: {one.hint}")
            click.echo(f"{'':<20}else not sure: {one.protects}")
    return Exit.BAD if worst else Exit.GOOD
