"""Foreign text in front of Textual: no widget lets a control character, a link or a click action through."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from probe import Probe, run_app, segments
from rich.text import Text
from textual import widgets
from textual.content import Content
from textual.widget import Widget

from runbook_tui.tui.fields import SecretEntry
from runbook_tui.tui.safe_app import ControlFilter, SafeApp

BAD = "a\x1b]52;c;aGVsbG8=\x07b\x1b]8;;https://evil.example\x1b\\c\x9b31m\u202ed\x1b]0;title\x07"
CLICK = "[@click=app.boom]press me[/] [link='https://evil.example']x[/link]"


def _with(widget: Widget, act: Callable[[Any], None]) -> Callable[[], Widget]:
    def make() -> Widget:
        widget.call_after_refresh(act, widget)
        return widget

    return make


def _titled() -> Widget:
    box = widgets.Static("x")
    box.styles.border = ("round", "white")
    box.border_title = BAD
    return box


def _table(table: Any) -> None:
    table.add_columns(Text(BAD))
    table.add_row(Text(BAD))


PATHS: dict[str, Callable[[], Widget]] = {
    "static": lambda: widgets.Static(Content(BAD)),
    "label": lambda: widgets.Label(Text(BAD)),
    "markdown": lambda: widgets.Markdown(BAD, open_links=False),
    "log": _with(widgets.Log(), lambda log: log.write_line(BAD)),
    "rich log": _with(widgets.RichLog(), lambda log: log.write(BAD)),
    "table": _with(widgets.DataTable(), _table),
    "options": lambda: widgets.OptionList(Content(BAD)),
    "list": lambda: widgets.ListView(widgets.ListItem(widgets.Label(Content(BAD)))),
    "placeholder": lambda: widgets.Input(placeholder=BAD),
    "value": lambda: widgets.Input(value=BAD),
    "border title": _titled,
    "collapsible": lambda: widgets.Collapsible(widgets.Static("x"), title="x"),
}


@pytest.mark.parametrize("name", PATHS)
def test_no_widget_lets_a_control_character_through(name: str) -> None:
    """The line filter stands behind every widget, also those that are not used today."""
    app = Probe(PATHS[name])

    async def look(pilot: Any) -> None:
        await pilot.pause(0.05)
        app.notify(BAD, markup=False)
        app.sub_title = BAD
        await pilot.pause(0.05)
        text = "".join(segment.text for segment in segments(app))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)

    run_app(app, look)


@pytest.mark.parametrize("name", ["static", "notify", "label", "options"])
def test_foreign_markup_runs_nothing(name: str) -> None:
    """Markup that slipped through as markup: no action, no link to follow, wherever somebody clicks."""
    make = {"label": lambda: widgets.Label(CLICK), "options": lambda: widgets.OptionList(CLICK)}.get(
        name, lambda: widgets.Static(CLICK)
    )
    Probe.boomed = 0
    app = Probe(make)

    async def act(pilot: Any) -> None:
        if name == "notify":
            app.notify(CLICK)
            await pilot.pause(0.05)
        for segment in segments(app):
            assert segment.style is None or segment.style.link is None
            assert segment.style is None or "@click" not in segment.style.meta
        for x in (0, 2, 5):
            await pilot.click(offset=(x, 0))
            await pilot.click(offset=(x, 1))
        await pilot.pause()

    run_app(app, act)
    assert Probe.boomed == 0


def test_textual_itself_would_run_it() -> None:
    """The control: without the filter the same markup is an action and a link."""
    app = Probe(lambda: widgets.Static(CLICK))
    app._filters = [one for one in app._filters if not isinstance(one, ControlFilter)]

    async def look(pilot: Any) -> None:
        styles = [segment.style for segment in segments(app) if segment.style is not None]
        assert any("@click" in style.meta for style in styles)
        assert any(style.link for style in styles)

    run_app(app, look)


def test_the_line_filter_is_the_one_in_use() -> None:
    """`_filters` exists, holds ours, and Textual asks it for every line it draws."""
    app = Probe(SecretEntry)
    assert any(isinstance(one, ControlFilter) for one in app._filters)
    assert list(inspect.signature(ControlFilter.apply).parameters) == ["self", "segments", "background"]


def test_only_our_own_widgets_and_one_of_textuals_are_used() -> None:
    """Rows of `Content` and one input: no widget that reads markup, a link or Markdown is on any screen."""
    folder = Path(inspect.getfile(SafeApp)).parent
    used = {
        name for path in folder.glob("*.py") for name in re.findall(r"textual\.widgets import (.+)", path.read_text())
    }
    assert used == {"Input"}
