"""The home screen: open incidents first, then playbooks, then readiness. It starts nothing; it gives a choice back."""

from __future__ import annotations

from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from runbook_tui.incident.prompts import Prompt
from runbook_tui.tui.block import Block, Rows, foreign, row
from runbook_tui.tui.drawing import badge, heading, spread
from runbook_tui.tui.home import HomeData, IncidentRow, PlaybookRow
from runbook_tui.tui.safe_app import SafeApp
from runbook_tui.tui.styling import BAD, CSS, FAINT, GOOD, KEY, MODES, STRONG

Chosen = tuple[str, str]


class HomeApp(SafeApp[Chosen]):
    """Gives ("run" | "drill", playbook), ("resume", id) or None."""

    CSS = CSS

    def __init__(self, data: HomeData) -> None:
        super().__init__()
        self.data = data

    def get_default_screen(self) -> Screen[None]:
        return HomeScreen()


class HomeScreen(Screen[None]):
    """A list to choose from, drawn by one widget."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", priority=True),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j,tab", "move(1)", "down", priority=True),
        Binding("r", "start('run')", "run it live"),
        Binding("d", "start('drill')", "rehearse it"),
        Binding("q,escape", "app.leave", "quit"),
    ]
    at = 0
    words = ""

    def compose(self) -> ComposeResult:
        yield Block(id="home")

    @property
    def home(self) -> HomeApp:
        return cast("HomeApp", self.app)

    @property
    def entries(self) -> list[IncidentRow | PlaybookRow]:
        return [*self.home.data.incidents, *self.home.data.playbooks]

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.app.size
        data = self.home.data
        side = f"{data.version} "
        rows: Rows = [
            heading("RUNBOOK  leaked credentials and leavers, step by step", side, width),
            _line(width),
            row(""),
        ]
        body: Rows = []
        selected = 0
        for number, entry in enumerate(self.entries):
            if number == 0 and data.incidents:
                body.append(heading("OPEN INCIDENTS", "", width))
            if number == len(data.incidents):
                body += [
                    *([row("")] if data.incidents else []),
                    heading("PLAYBOOKS", "target       last drilled ", width),
                ]
            selected = len(body) if number == self.at else selected
            body.append(_entry(entry, number == self.at, width))
        ready: Rows = [row(""), heading("READINESS", "", width)]
        for one in data.readiness:
            mark = ("  ✓ ", GOOD) if one.good else ("  ! ", BAD)
            ready.append(row(mark, f"{foreign(one.what):<10}", (foreign(one.found), "" if one.good else BAD)))
        foot = [row((f" {self.words}", FAINT)), _line(width), self._keys()]
        room = height - len(rows) - len(ready) - len(foot)
        if len(body) > room:
            first = max(0, min(selected - room // 2, len(body) - room))
            body = body[first : first + room]
        body += [row("")] * (room - len(body))
        self.query_one(Block).show([*rows, *body, *ready, *foot])

    def _keys(self) -> Content:
        if self.entries and isinstance(self.entries[self.at], IncidentRow):
            own: list[tuple[str, str]] = [("Enter", " go on with it   ")]
        else:
            own = [("Enter", " open   "), ("d", " rehearse it   "), ("r", " run it live   ")]
        keys = [*own, ("↑ ↓", " move   "), ("q", " quit")]
        return row(" ", *(part for key, word in keys for part in ((key, KEY), word)))

    def action_move(self, by: int) -> None:
        if self.entries:
            self.at = (self.at + by) % len(self.entries)
        self.words = ""
        self._draw()

    def action_start(self, how: str) -> None:
        """Leave with a playbook; on an incident the key says why it is dead."""
        entry = self.entries[self.at] if self.entries else None
        if isinstance(entry, PlaybookRow):
            self.app.exit((how, entry.id))
            return
        self.words = f"{'r' if how == 'run' else 'd'}: choose a playbook first"
        self._draw()

    def action_open(self) -> None:
        entry = self.entries[self.at] if self.entries else None
        if isinstance(entry, IncidentRow):
            self.app.exit(("resume", entry.id))
        elif entry is not None:
            self._ask(entry)

    def _ask(self, entry: PlaybookRow) -> None:
        from runbook_tui.tui.ask import Ask

        labels = {"how": ("rehearse it in a drill", "run it live")}
        prompt = Prompt(
            "how", "choice", "Rehearse it against a simulated provider, or run it for real?", ("drill", "run")
        )

        def answered(answers: dict[str, str] | None) -> None:
            if answers is not None:
                self.app.exit((answers["how"], entry.id))

        told = [row((foreign(entry.title), STRONG)), row(f"target {foreign(entry.target)}")]
        self.app.push_screen(Ask(foreign(entry.id), [prompt], mode="DRY-RUN", told=told, labels=labels), answered)


def _line(width: int) -> Content:
    return row(("─" * width, FAINT))


def _entry(entry: IncidentRow | PlaybookRow, chosen: bool, width: int) -> Content:
    mark = ("  ▶ ", KEY) if chosen else "    "
    if isinstance(entry, IncidentRow):
        title = (foreign(entry.title), STRONG if chosen else "")
        mode = badge(entry.mode if entry.mode in MODES else "LIVE")
        left = row(mark, mode, " ", title, (f"  {foreign(entry.id)}", FAINT))
        right = row((f"{foreign(entry.state)} · since {foreign(entry.since)} ", FAINT))
    else:
        left = row(mark, (f"{foreign(entry.id):<22}", STRONG if chosen else ""), f"  {foreign(entry.title)}")
        right = row(f"{foreign(entry.target):>8}", (f"  {foreign(entry.drilled) or 'never':>18} ", FAINT))
    return spread(left, right, width)
