"""One dialog for every question: a step's prompts, a reason, a note, a typed confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from runbook_tui.foundation.clock import clock_time
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.prompts import Prompt, check_answers
from runbook_tui.tui.block import Block, Part, Rows, foreign, row
from runbook_tui.tui.fields import Choice, Entry, SecretEntry
from runbook_tui.tui.styling import BAD, FAINT, KEY, MODES, STRONG, TALL

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host

Answers = dict[str, Any]
Field = Entry | Choice
QUIET = 0.4  # seconds in which a typed confirmation takes no key: the keys of the screen before it
TIME_HINT = "22:04 (UTC, the last such time), or 2026-11-21T22:04:00Z; empty: not known"


class Ask(ModalScreen[Answers | None]):
    """Asks `prompts` one below the other; gives the answers, or None when the operator goes back.

    `told` stands above the questions, `labels` gives the words for the options of a choice.
    """

    DEFAULT_CSS = """
    Ask { align: center top; }
    Ask #dialog { width: 100; max-width: 100%; height: auto; background: #1b2127; padding: 0 1; margin-top: 7; }
    Ask.compact #dialog { margin-top: 4; }
    Ask #told, Ask #fields { height: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "next", priority=True),
        Binding("escape", "back", "back", priority=True),
        Binding("up", "field(-1)", "previous field"),
        Binding("down", "field(1)", "next field"),
        Binding("pageup", "read(-5)", "read up", priority=True),
        Binding("pagedown", "read(5)", "read down", priority=True),
    ]

    def __init__(
        self,
        title: str,
        prompts: list[Prompt],
        *,
        mode: str,
        told: Rows | None = None,
        labels: Mapping[str, tuple[str, ...]] | None = None,
        alarming: bool = False,
    ) -> None:
        super().__init__()
        self._heading, self._mode, self._alarming = title, mode, alarming
        self._told, self._prompts, self._labels = told or [], prompts, labels or {}
        self._fields: dict[str, Field] = {}
        self._typed = any(prompt.kind == "typed" for prompt in prompts)

    # -- building

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            with VerticalScroll(id="told", can_focus=False):
                yield Block()
            with VerticalScroll(id="fields", can_focus=False):
                for prompt in self._prompts:
                    yield from self._question(prompt)
            yield Block(id="said")

    def _question(self, prompt: Prompt) -> ComposeResult:
        rows: Rows = [row((f"{n} ", FAINT), foreign(line)) for n, line in enumerate(prompt.help, 1)]
        if prompt.link:
            rows.append(row(("Open ", FAINT), (foreign(prompt.link), STRONG)))
        star = "" if prompt.required else " (may stay empty)"
        rows += [row((line, STRONG)) for line in _wrapped(foreign(prompt.ask) + star, self._width())]
        yield Block(rows)
        field = self._field(prompt)
        field.disabled = self._typed
        self._fields[prompt.name] = field
        yield field

    def _field(self, prompt: Prompt) -> Field:
        if prompt.kind == "choice":
            return Choice(prompt.options, self._labels.get(prompt.name, ()), prompt.default)
        if prompt.kind == "secret":
            return SecretEntry()
        if prompt.kind == "time":
            return Entry(prompt.default, hint=TIME_HINT)
        return Entry("" if prompt.kind == "typed" else foreign(prompt.default))

    def _width(self) -> int:
        return min(100, self.app.size.width) - 6

    def on_mount(self) -> None:
        dialog = self.query_one("#dialog")
        _, colour, kind, _ = MODES[self._mode]
        dialog.styles.border = (kind, "#ffb454" if self._alarming else colour)  # type: ignore[assignment]
        dialog.border_title = Content(f" {self._heading} ")
        self._fit()
        self._say()
        if self._typed:
            self.set_timer(QUIET, self._wake)
        else:
            self._wake()

    def _wake(self) -> None:
        for field in self._fields.values():
            field.disabled = False
        first = next(iter(self._fields.values()), None)
        if first is not None:
            self.set_focus(first)
        self._say()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < TALL, "compact")
        focused = self.focused
        self._fit()
        if focused is None and not self._typed:
            self._wake()

    def _fit(self) -> None:
        """Share the rows between what is told and what is asked; the head of the screen stays visible."""
        height = self.app.size.height
        room = max(6, height - (4 if height < TALL else 7) - 4)
        lines = [part for line in self._told for part in line.wrap(self._width())]
        self.query_one("#told Block", Block).show(lines)
        asked = sum(len(block.rows) for block in self.query("#fields Block").results(Block))
        asked += sum(field.height for field in self._fields.values())
        told = min(len(lines), max(2, room // 2, room - asked))
        self.query_one("#told").display = bool(lines)
        self.query_one("#told").styles.max_height = max(1, told)
        self.query_one("#fields").styles.max_height = room - told

    # -- moving

    def action_field(self, by: int) -> None:
        fields = list(self._fields.values())
        at = next((n for n, field in enumerate(fields) if field is self.focused), 0)
        self.set_focus(fields[(at + by) % len(fields)])

    def action_read(self, by: int) -> None:
        self.query_one("#told").scroll_relative(y=by, animate=False)

    def action_back(self) -> None:
        self._empty_secrets()
        self.dismiss(None)

    def action_go_on(self) -> None:
        """Enter: to the next field, and from the last one to the answer."""
        fields = list(self._fields.values())
        if self.focused not in fields:
            return
        if self.focused is not fields[-1]:
            self.action_field(1)
            return
        missing = self._not_typed()
        if missing:
            self._say(missing)
            return
        self._answer()

    def _answer(self) -> None:
        values = {name: self._value(name) for name in self._fields}
        try:
            answers = check_answers(self._prompts, self._times(values))
        except RunbookError as error:
            self._say(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))
            return
        finally:
            values.clear()
        self._empty_secrets()
        self.dismiss(answers)

    def _value(self, name: str) -> str:
        return self._fields[name].value.strip()

    def _times(self, values: Answers) -> Answers:
        """Times of day written out as instants."""
        times = [prompt.name for prompt in self._prompts if prompt.kind == "time" and values[prompt.name]]
        if not times:
            return values
        now = cast("Host", self.app).client.clock.now()
        return values | {name: clock_time(values[name], now) for name in times}

    def _empty_secrets(self) -> None:
        for field in self._fields.values():
            if isinstance(field, SecretEntry):
                field.value = ""

    # -- what is said below the fields

    def _not_typed(self) -> str:
        """What is missing before Enter comes alive, or ""."""
        for prompt in self._prompts:
            if prompt.kind != "typed":
                continue
            value = self._value(prompt.name)
            if value != prompt.expect:
                begun = prompt.expect.startswith(value)
                return f"type {len(prompt.expect) - len(value)} more" if begun else "that is not the target"
        return ""

    def on_input_changed(self) -> None:
        self._say()

    def on_descendant_focus(self) -> None:
        self._say()

    def _say(self, problem: str = "") -> None:
        missing = self._not_typed() if self._typed else ""
        asleep = any(field.disabled for field in self._fields.values())
        status = problem or ("read first…" if asleep else missing)
        last = self.focused is None or self.focused is list(self._fields.values())[-1]
        enter = row(("Enter is off until they match", FAINT))
        if not missing:
            enter = row(("Enter", KEY), " done" if last else " next field")
        parts: list[Part] = [("Esc", KEY), " go back, nothing done    ", enter]
        if isinstance(self.focused, Choice):
            parts += [("    ← →", KEY), " choose"]
        self.query_one("#said", Block).show([row((foreign(status), BAD)), row(*parts)])


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(20, width)) or [""]
