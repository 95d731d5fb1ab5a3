"""The incident report in Markdown: sections in a fixed order, every fact from the journal.

A missing fact prints `not determined`. Foreign text cannot become markup (`report.safe`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from runbook_tui.incident.events import Event
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Playbook
from runbook_tui.report import findings, opening, record
from runbook_tui.report.view import View

# Heading and what writes it; the numbers are the report's own and stay when a public report leaves sections out.
SECTIONS: tuple[tuple[str, Callable[[View], list[str]]], ...] = (
    ("1. Summary", opening.summary),
    ("2. Key numbers", opening.key_numbers),
    ("3. Exposure window", opening.exposure),
    ("4. Timeline chart", opening.chart),
    ("5. Credentials", findings.credentials),
    ("6. Impact and blast radius", findings.impact),
    ("7. What happened", findings.what_happened),
    ("8. Decisions", findings.decisions),
    ("9. Verification evidence", findings.evidence),
    ("10. Full timeline", record.timeline),
    ("11. What went well, what went badly, where we were lucky", record.lessons),
    ("12. Detection gaps", record.detection_gaps),
    ("13. Action items", record.action_items),
    ("14. Notifications and clocks", record.notifications),
    ("15. Residual risk and open questions", record.residual),
    ("16. Playbook changes", record.playbook_changes),
    ("Appendix A. Evidence manifest", record.evidence_manifest),
    ("Appendix B. The record", record.the_record),
    ("Appendix C. Redaction", record.redactions),
    ("Appendix D. Words and formulas", record.glossary),
)
NOT_PUBLIC = ("8.", "9.", "16.", "Appendix A.")


def markdown(
    playbook: Playbook | None,
    state: IncidentState,
    events: Sequence[Event],
    *,
    tool: str,
    now: datetime,
    public: bool = False,
    head: tuple[int, str] | None = None,
) -> str:
    """The report as one Markdown text.

    `playbook` None: it could not be read, so steps have no titles and targets. `tool` names the program and its
    version. `head` is the journal's head at the last of `events`. `public` withholds people, hosts, places and free
    text, and leaves out sections 8, 9, 16 and the evidence manifest.
    """
    view = View(playbook, state, events, tool, now, public, head)
    lines = opening.header(view)
    # An excerpt of a drill's report must not pass for a live one: every heading says it.
    mark = f" ({view.banner})" if view.banner else ""
    for title, write in SECTIONS:
        if not (public and title.startswith(NOT_PUBLIC)):
            lines += [f"## {title}{mark}", "", *write(view)]
    return "\n".join([*lines, *opening.notice(view)]).rstrip() + "\n"
