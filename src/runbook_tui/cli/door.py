"""The last door before a terminal: whatever a command prints, no character of it acts on the terminal.

Commands show foreign text by `plain` already; a file name in a list, an id from a damaged file or a message of a
library is what one of them may have missed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from runbook_tui.foundation.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = {ord(char): None for char in "\n\t"}


class Door:
    """A text stream that shows every control, direction and hidden character as `<U+XXXX>`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(harmless(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


def harmless(text: str) -> str:
    """`text` with tabs and the two usual line ends kept, and everything else that is not printable written out."""
    if text.replace("\r\n", "\n").translate(_OURS).isprintable():
        return text
    for end in ("\r\n", "\n", "\t"):
        if end in text:
            return end.join(map(harmless, text.split(end)))
    return plain(text, len(text))


def redraw(stream: TextIO, text: str) -> None:
    """Put `text` in the place of a terminal's current line: of all that is written only this moves the cursor."""
    terminal = stream._stream if isinstance(stream, Door) else stream
    terminal.write(f"\r\x1b[K{harmless(text)}")
    terminal.flush()


def close_doors() -> None:
    """Put the door before standard output and standard error."""
    sys.stdout = cast(TextIO, Door(sys.stdout))
    sys.stderr = cast(TextIO, Door(sys.stderr))
