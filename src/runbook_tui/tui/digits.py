"""Digits three rows high for the clock."""

from __future__ import annotations

_SHAPES = {
    "0": ("╭─╮", "│ │", "╰─╯"),
    "1": ("╶╮ ", " │ ", "╶┴╴"),
    "2": ("╶─╮", "┌─┘", "╰─╴"),
    "3": ("╶─╮", " ─┤", "╶─╯"),
    "4": ("╷ ╷", "╰─┤", "  ╵"),
    "5": ("╭─╴", "╰─╮", "╶─╯"),
    "6": ("╭─╴", "├─╮", "╰─╯"),
    "7": ("╶─┐", "  │", "  ╵"),
    "8": ("╭─╮", "├─┤", "╰─╯"),
    "9": ("╭─╮", "╰─┤", "╶─╯"),
    ":": (" ", ":", " "),
    "-": ("   ", "╶─╴", "   "),
}


def big(text: str) -> tuple[str, str, str]:
    """The three rows of a text of digits, `:` and `-`."""
    shapes = [_SHAPES[char] for char in text]
    top, middle, bottom = (" ".join(shape[line] for shape in shapes) for line in range(3))
    return top, middle, bottom
