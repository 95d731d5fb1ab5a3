"""The screen as characters, from Textual's own SVG export, and text snapshots kept as files."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from typing import Any

from textual.app import App

_TEXT = re.compile(
    r'<text class="[^"]*" x="([\d.]+)" y="[\d.]+" textLength="[\d.]+" clip-path="url\(#[^)]*-line-(\d+)\)">(.*?)</text>'
)
_CELL = 12.2  # width of one character in the export
_SNAPSHOTS = Path(__file__).parent / "snapshots"


def grid(app: Any) -> str:
    """Every row of the screen, without trailing blanks; also while ours would refuse a picture of it."""
    rows: dict[int, str] = {}
    for x, line, text in _TEXT.findall(App.export_screenshot(app)):
        column, row = round(float(x) / _CELL), int(line)
        rows[row] = rows.get(row, "").ljust(column) + unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return "\n".join(rows.get(row, "").rstrip() for row in range(app.size.height))


def check(app: Any, name: str) -> str:
    """Compare the screen with the snapshot of that name; UPDATE_SCREENS=1 writes it. Gives the screen."""
    shown, file = grid(app), _SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown + "\n", encoding="utf-8")
    assert file.is_file(), f"no snapshot {file.name}: run with UPDATE_SCREENS=1 and read it"
    assert shown + "\n" == file.read_text(encoding="utf-8"), f"{file.name} differs:\n{shown}"
    return shown
