"""From a key to a request: which questions an action asks, and what its answers become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_tui.conductor.protocol import Client
from runbook_tui.foundation.text import one_line
from runbook_tui.incident.actions import reopenable
from runbook_tui.incident.findings import label, untaken
from runbook_tui.incident.lines import Line, open_lines
from runbook_tui.incident.plan import what_is_next
from runbook_tui.incident.prompts import Prompt
from runbook_tui.tui.ask import Ask
from runbook_tui.tui.block import Rows, foreign, row
from runbook_tui.tui.styling import BAD, FAINT, STRONG

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host

_CHOSEN_BY_ARROWS = 8  # more do not fit on a small screen


@dataclass
class Form:
    """What an action asks, and the request's fixed parameters."""

    title: str
    prompts: list[Prompt]
    told: Rows = field(default_factory=list)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    alarming: bool = False


def ask_for(app: Host, name: str) -> None:
    """Ask for what the action needs, then request it."""
    form = _FORMS[name](app.client)

    def answered(answers: dict[str, Any] | None) -> None:
        if answers is not None:
            app.ask(name, **form.fixed, **answers)

    mode = app.client.state.mode.upper()
    dialog = Ask(form.title, form.prompts, mode=mode, told=form.told, labels=form.labels, alarming=form.alarming)
    app.push_screen(dialog, answered)


def ask_step(app: Host, name: str, reply: dict[str, Any]) -> None:
    """Ask a step's questions as the conductor put them, then run it."""
    prompts = [_prompt(fields) for fields in reply["prompts"]]
    preview = reply.get("preview") or {}
    typed = next((prompt for prompt in prompts if prompt.kind == "typed"), None)
    final = typed is not None and preview.get("reversible") is False
    told = _preview_rows(preview, typed, reply.get("batch") or [])
    title = foreign(app.client.book.step(name).title)
    if final:
        told.insert(0, row((title, STRONG)))
        title = "THIS CANNOT BE UNDONE"

    def answered(answers: dict[str, Any] | None) -> None:
        if answers is not None:
            app.ask("run", step=name, answers=answers)

    dialog = Ask(title, prompts, mode=app.client.state.mode.upper(), told=told, alarming=final)
    app.push_screen(dialog, answered)


def _prompt(fields: dict[str, Any]) -> Prompt:
    """A prompt as it came over the line, where tuples are lists."""
    return Prompt(**{**fields, "options": tuple(fields.get("options", ())), "help": tuple(fields.get("help", ()))})


def _preview_rows(preview: dict[str, Any], typed: Prompt | None, batch: list[str]) -> Rows:
    """What is about to happen, in the words of the request itself and not of the playbook."""
    rows: Rows = []
    if preview.get("sentence"):
        rows.append(row(foreign(preview["sentence"])))
    if preview.get("url"):
        scheme, _, rest = str(preview["url"]).partition("://")
        host, slash, path = rest.partition("/")
        rows.append(row(("Call    ", FAINT), (foreign(preview.get("method", "")), STRONG), f"  {foreign(scheme)}"))
        rows.append(row(("Host    ", FAINT), (foreign(host), STRONG)))
        rows.append(row(("Path    ", FAINT), foreign(slash + path)))
    if preview.get("body"):
        rows.append(row(("Body    ", FAINT), foreign(preview["body"], 160)))
    if typed is not None:
        rows.append(row(("Target  ", FAINT), (foreign(typed.expect), STRONG)))
    if "reversible" in preview:
        back = "can be taken back" if preview["reversible"] else "cannot be undone"
        rows.append(row(("Undo    ", FAINT), (back, "" if preview["reversible"] else BAD)))
    if batch:
        rows.append(row(("Batch   ", FAINT), (f"{len(batch)} in this order, fixed now:", STRONG)))
        rows += [row((f"{number:>6}  ", FAINT), foreign(item)) for number, item in enumerate(batch, 1)]
    return rows


def _skip(client: Client) -> Form:
    step = what_is_next(client.book, client.state, client.clock.now()).step
    assert step is not None  # the registry allows skipping only where there is a next step
    prompts = [Prompt("reason", "text", f"Why is “{one_line(step.title)}” skipped?")]
    return Form("Skip the step", prompts, fixed={"step": step.id})


def _note(client: Client) -> Form:
    asked = [
        Prompt("text", "text", "What happened? Facts, as you would tell a colleague"),
        Prompt("at", "time", "When, if not now?", required=False),
    ]
    return Form("Note", asked)


def _line_labels(found: list[Line]) -> tuple[str, ...]:
    return tuple(f"{line.what}: {line.state}" for line in found)


def _attest(client: Client) -> Form:
    found = [line for line in open_lines(client.state) if not line.id.startswith("operation:")]
    asked = [
        Prompt("line", "choice", "Which line can no machine prove?", tuple(line.id for line in found)),
        Prompt("what", "text", "What did you see? It is recorded under your name as attested, not as proven"),
    ]
    return Form("Attest by name", asked, labels={"line": _line_labels(found)})


def _waive(client: Client) -> Form:
    found = open_lines(client.state)
    asked = [
        Prompt("line", "choice", "Which line is waived?", tuple(line.id for line in found)),
        Prompt("name", "text", "Who decides that?", default=client.state.driver),
        Prompt("reason", "text", "Why is the risk taken?"),
    ]
    return Form("Waive an open line", asked, labels={"line": _line_labels(found)})


def _take(client: Client) -> Form:
    found = untaken(client.state)
    told = [
        row("Its value is read again where the search saw it, and kept in the vault; the record has its fingerprint."),
        row("It is then a line of its own: proven, attested or waived before the incident closes as contained."),
    ]
    names = tuple(one.fingerprint for one in found)
    if len(found) <= _CHOSEN_BY_ARROWS:
        asked = [Prompt("finding", "choice", "Which one?", names)]
        return Form("Take a found credential", asked, told, {"finding": tuple(map(label, found))})
    told += [row(foreign(label(one))) for one in found]
    asked = [
        Prompt("finding", "text", "Which one? Its fingerprint, of those above (page keys scroll)", default=names[0])
    ]
    return Form("Take a found credential", asked, told)


def _clear(client: Client) -> Form:
    found = client.state.unknown_operations()
    told = [
        row("The program ended, or the line broke, while this was under way."),
        row("Look in the provider's dashboard, then say what you found."),
    ]
    asked = [
        Prompt("op", "choice", "Which outcome?", tuple(op.op for op in found)),
        Prompt("as", "choice", "Was it done?", ("done", "not_done")),
        Prompt("reason", "text", "What did you see?"),
    ]
    labels = {"op": tuple(f"{op.what} at {op.at[11:19]}" for op in found), "as": ("it was done", "it was not done")}
    return Form("An unknown outcome", asked, told, labels)


def _reopen(client: Client) -> Form:
    names = tuple(reopenable(client.state))
    labels = tuple(f"{name}: {one_line(client.book.step(name).title)}" for name in names)
    asked = [Prompt("step", "choice", "Which step?", names), Prompt("reason", "text", "Why is it done again?")]
    told = [row("The step can be run again. What it did in the world stays done.")]
    return Form("Reopen a step", asked, told, {"step": labels})


def _tripwire(client: Client) -> Form:
    told = [row("From here on the order is contain first: the key dies before the new one is everywhere.")]
    asked = [Prompt("reason", "text", "What shows that somebody else used it?")]
    return Form("CONTAIN NOW", asked, told, alarming=True)


def _close(client: Client) -> Form:
    still = open_lines(client.state)
    if not still:
        told = [row("Every line is proven, attested or waived.")]
        return Form("Close the incident", [Prompt("reason", "text", "A last word", required=False)], told)
    told = [
        row((f"{len(still)} lines are open:", BAD)),
        *(row(f"  □ {foreign(line.what)}: {line.state}") for line in still),
    ]
    told.append(row("It cannot close as contained. Prove, attest or waive each line, or abandon it here."))
    asked = [Prompt("reason", "text", "Why is it abandoned with open lines?")]
    return Form("ABANDON THE INCIDENT", asked, told, fixed={"abandon": True}, alarming=True)


_FORMS: dict[str, Callable[[Client], Form]] = {
    "skip": _skip,
    "note": _note,
    "attest": _attest,
    "waive": _waive,
    "take": _take,
    "clear": _clear,
    "reopen": _reopen,
    "tripwire": _tripwire,
    "close": _close,
}
