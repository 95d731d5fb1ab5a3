"""What went wrong, in the operator's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from runbook_tui.foundation.text import plain


class Exit(IntEnum):
    """Exit codes of the `runbook` command."""

    GOOD = 0
    BAD = 1  # the thing asked about is bad: found, failed, refuted
    USAGE = 2  # bad usage or input
    INCOMPLETE = 3  # incomplete or undetermined
    INTERRUPTED = 130


class RunbookError(Exception):
    """A failure with a message an operator can act on. Never carries a secret.

    `hint` says what to do next; `exit_code` is what the command ends with.
    """

    exit_code: Exit = Exit.USAGE

    def __init__(self, message: str, hint: str = "", *, exit_code: Exit | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in an input file. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    level: str = "error"  # error | warning

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.level}: {self.message}"
        # File names and what stood in the file are foreign, and this goes to a terminal.
        return plain(f"{text}\n  hint: {self.hint}" if self.hint else text, 4000, keep_newlines=True)


class InputProblems(RunbookError):
    """An input file with one or more mistakes."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))
