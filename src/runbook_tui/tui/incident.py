"""The main screen: the clock, the NEXT box, the steps, the closed loop and the timeline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen

from runbook_tui.incident.actions import ACTIONS, Action, by_name, stopping, why_disallowed
from runbook_tui.incident.board import Board
from runbook_tui.incident.plan import what_is_next
from runbook_tui.tui import drawing
from runbook_tui.tui.block import Block, Part, Rows, foreign, row
from runbook_tui.tui.styling import BAD, FAINT, KEY, SMALLEST, TALL, WIDE

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host

SIDE = 44
# What the line of keys shows first where it is short.
FIRST = (
    "run",
    "stop",
    "clear",
    "take_over",
    "take",
    "skip",
    "note",
    "tripwire",
    "steps",
    "timeline",
    "report",
    "attest",
    "waive",
)


class Foot(Block):
    """The words and the keys that work now; a click on a key is the key."""

    spans: tuple[tuple[int, int, str], ...] = ()

    def on_click(self, event: events.Click) -> None:
        if event.y != len(self.rows) - 1:
            return
        for start, end, name in self.spans:
            if start <= event.x < end:
                cast("IncidentScreen", self.screen).action_act(name)


class IncidentScreen(Screen[None]):
    """Draws the board and turns keys into requests; what a key may do is the registry's answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.key, f"act('{one.name}')", one.word, priority=one.key in drawing.KEY_NAMES, id=one.name)
            for one in ACTIONS
        ),
        Binding("question_mark,f1", "act('help')", "keys", id="help"),
    ]

    _body: object = None  # what the body was drawn from
    _fitted: tuple[int, int] | None = None  # the size of the layout

    def compose(self) -> ComposeResult:
        yield Block(id="head")
        with Horizontal(id="body"):
            yield Block(id="side")
            with Vertical(id="main"):
                yield Block(id="next")
                yield Block(id="loop")
                yield Block(id="log")
        yield Foot(id="foot")

    @property
    def incident_app(self) -> Host:
        return cast("Host", self.app)

    def on_mount(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """Choose the layout for the size; the first one is chosen before anything is laid out."""
        if self.app.size == self._fitted:
            return
        self._fitted = width, height = self.app.size
        self.set_class(width < WIDE or height < TALL, "compact")
        self.set_class(width < SMALLEST[0] or height < SMALLEST[1], "tiny")
        self.draw(self.incident_app.board())

    # -- drawing

    def draw(self, shown: Board) -> None:
        """Draw the board at the size the terminal has now."""
        app = self.incident_app
        width, height = app.size
        head = next(iter(self.query("#head").results(Block)), None)
        if head is None:
            return  # a push came before the screen was made, or after it was taken down
        if self.has_class("tiny"):
            head.show(
                [row(drawing.badge(shown.mode), f" {shown.clock} of {shown.target}"), row("please enlarge (60x16)")]
            )
            self.query_one("#foot", Block).show([])
            return
        compact = self.has_class("compact")
        client = app.client
        if compact:
            rows = drawing.short_head(shown, client.driving, width)
        else:
            rows = drawing.head(shown, client.vault, client.driving, client.clock.now(), width)
        head.show(rows)
        foot = self._foot(shown, width)
        # Most ticks move nothing but the clock: the body is drawn again only when something else differs.
        still = replace(shown, clock="", left="", used=0.0)
        key = (still, client.state.seq, client.driving, app.progress, app.found, app.size)
        if key != self._body:
            self._body = key
            self._draw_body(shown, 0 if compact else SIDE, width, height - len(rows) - len(foot))

    def _draw_body(self, shown: Board, side: int, width: int, room: int) -> None:
        client = self.incident_app.client
        inner = width - side
        box = drawing.next_box(shown, self._told(shown), self._box_keys(shown), inner, roomy=bool(side))
        box += drawing.alerts(shown)
        self.query_one("#next", Block).show(box)
        rows: Rows = []
        # Without rows it takes no place: a block that has some is shown whatever the style sheet says.
        self.query_one("#side", Block).show(drawing.steps(shown, side - 3, room) if side else [])
        if side:
            limit = max(3, min(len(shown.lines), (room - len(box)) // 3))
            rows = [drawing.heading("CLOSED LOOP", shown.loop + " ", inner), *drawing.loop(shown.lines, inner, limit)]
            rows.append(row(""))
        self.query_one("#loop", Block).show(rows)
        left = room - len(box) - len(rows) - 1
        tail = drawing.tail(client.events, left)
        self.query_one("#log", Block).show([drawing.heading("TIMELINE", "t all ", inner), *tail])

    def _told(self, shown: Board) -> tuple[str, ...]:
        """What is under way, or how to do the step by hand after a refusal."""
        app = self.incident_app
        if app.progress or app.found:
            return tuple(filter(None, (app.progress, *app.found)))
        step = shown.next_step
        return tuple(foreign(line) for line in app.client.state.step(step.id).manual) if step else ()

    def _allowed(self, name: str) -> str:
        client = self.incident_app.client
        return why_disallowed(client.book, client.state, name, client.clock.now(), driving=client.driving)

    def _box_keys(self, shown: Board) -> Content:
        here = {"run": "do it", "skip": "skip it, with a reason"}
        words = here if shown.next_step else {"stop": self._stopping(), "close": "close the incident"}
        parts: list[Part] = []
        for name, said in words.items():
            if not self._allowed(name):
                parts += [(drawing.key_name(by_name(name).key), KEY), f"  {said}      "]
        return row(*parts)

    def _stopping(self) -> str:
        client = self.incident_app.client
        return stopping(client.book, client.state)

    def _foot(self, shown: Board, width: int) -> Rows:
        app = self.incident_app
        words = app.words or ("" if app.client.driving else f"watching: {shown.driver or 'nobody'} drives")
        line = row((f" {app.alarm}", BAD)) if app.alarm else row((f" {foreign(words)}", BAD if app.words else FAINT))
        keys, spans = self._keys(width)
        rows = [line, drawing.rule(shown.mode, width), keys]
        foot = self.query_one("#foot", Foot)
        foot.spans = spans
        foot.show(rows)
        return rows

    def _keys(self, width: int) -> tuple[Content, tuple[tuple[int, int, str], ...]]:
        """The keys that work now, as many as fit; leaving and help always do."""
        always = [by_name("quit"), Action("help", "?", "keys", "")]
        usable = [one for one in ACTIONS if one.name != "quit" and not self._allowed(one.name)]
        usable = [replace(one, word=self._stopping()) if one.name == "stop" else one for one in usable]
        usable.sort(key=lambda one: FIRST.index(one.name) if one.name in FIRST else len(FIRST))
        room = width - 2 - sum(len(_key_text(one)) for one in always)
        shown: list[Action] = []
        for one in usable:
            if room >= len(_key_text(one)):
                room -= len(_key_text(one))
                shown.append(one)
        parts: list[Part] = [" "]
        spans: list[tuple[int, int, str]] = []
        at = 1
        for one in [*shown, *always]:
            text = _key_text(one)
            spans.append((at, at + len(text) - 2, one.name))
            at += len(text)
            parts += [(drawing.key_name(one.key), KEY), f" {one.word}  "]
        return row(*parts), tuple(spans)

    # -- acting

    def action_act(self, name: str) -> None:
        """Do what a key stands for, or say why it cannot be done."""
        app = self.incident_app
        if name == "help":
            self._open("help")
            return
        why = self._allowed(name)
        app.say(f"{drawing.key_name(by_name(name).key)}: {why}" if why else "")
        if why:
            return
        if name == "quit":
            app.action_leave()
        elif name in ("stop", "take_over"):
            app.ask(name)
        elif name == "run":
            self._run_next()
        elif name in ("steps", "timeline", "report"):
            self._open(name)
        else:
            from runbook_tui.tui.acting import ask_for

            ask_for(app, name)

    def _open(self, name: str) -> None:
        from runbook_tui.tui import pages

        app = self.incident_app
        if name == "report":
            app.ask("report", lambda reply: pages.show_report(app, reply["markdown"]))
        else:
            pages.show(app, name)

    def _run_next(self) -> None:
        app = self.incident_app
        client = app.client
        step = what_is_next(client.book, client.state, client.clock.now()).step
        if step is None:
            return
        name = step.id

        def asked(reply: dict[str, Any]) -> None:
            if not reply["prompts"]:
                app.ask("run", step=name, answers={})
                return
            from runbook_tui.tui.acting import ask_step

            ask_step(app, name, reply)

        app.ask("prompts", asked, step=name)


def _key_text(one: Action) -> str:
    return f"{drawing.key_name(one.key)} {one.word}  "
