"""The `runbook` command: one file per command, imported only when that command is called.

A command's module exposes `command`, a `click.Command`. `json_option` and `emit` keep the promise that `--json` prints
one document on standard output and nothing else there.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import signal
import sys
from typing import Any, NoReturn

import click

from runbook_tui import __version__
from runbook_tui.cli.door import close_doors
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.harden import harden, place, scrub

# Name -> one line for the help, so that `runbook --help` imports no command.
_COMMANDS = {
    "run": "Run a playbook on a real incident.",
    "drill": "Rehearse a playbook against a simulated provider.",
    "resume": "Continue an open incident.",
    "init": "Make a workspace: inventory, own playbooks, keyring choice.",
    "incident": "The journal: list, show, note, verify, purge.",
    "report": "Export an incident's report.",
    "scan": "Search a git repository's whole history for a leaked value.",
    "webhook": "Sign test webhooks.",
    "credential": "The vault: add, list, show, remove, check.",
    "provider": "The catalogue: list, show, check, call.",
    "playbook": "Playbooks: list, show, check, schema, new.",
    "doctor": "Check this machine: keyring, clock, disk, terminal.",
}
_HIDDEN = ("conductor",)
# The first words after which no secret can come near this process; they do not pay for the hardening.
_WITHOUT_SECRETS = ("--version", "--help", "-h", "playbook")


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS and cmd_name not in _HIDDEN:
            return None
        module = importlib.import_module(f"runbook_tui.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        near = difflib.get_close_matches(args[0], _COMMANDS, 1, 0.6)
        if near and args[0] not in (*_COMMANDS, *_HIDDEN):
            ctx.fail(f"there is no command {args[0]!r}, did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


_EPILOG = """\b
Begin with a rehearsal:   runbook drill api-key-leaked
Words complete with TAB:  eval "$(_RUNBOOK_COMPLETE=bash_source runbook)"
                          (also zsh_source and fish_source)
Exit codes: 0 good, 1 what was asked about is bad, 2 wrong usage or input,
3 incomplete or undetermined, 130 interrupted.
"""


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="runbook")
@click.pass_context
def runbook(ctx: click.Context) -> None:
    """Respond to a leaked credential: revoke, replace, roll out, prove, report.

    Without a command, opens the home screen; without a terminal, prints this help.
    """
    if ctx.invoked_subcommand is None:
        from runbook_tui.cli.home import open_home

        ctx.exit(open_home())


def json_option(function: Any) -> Any:
    """The `--json` flag every command that prints facts takes."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")(function)


def emit(document: Any) -> None:
    """Print one JSON document."""
    import json

    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def main() -> None:
    """The console script: every failure is one clear message and an exit code, never a traceback."""
    _open_standard_streams()
    _end_in_order()
    close_doors()
    if sys.argv[1:2] and sys.argv[1] in _WITHOUT_SECRETS:
        scrub()
    else:
        harden()
    try:
        result = runbook(prog_name="runbook", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _leave("interrupted", Exit.INTERRUPTED)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        _leave(_safe(said.getvalue().rstrip()), Exit(error.exit_code))
    except RunbookError as error:
        prefix = "" if hasattr(error, "problems") else "error: "
        _leave(f"{prefix}{_safe(str(error))}", error.exit_code)
    except SystemExit as end:
        # click ends by itself after completing words, and with 1 when the reader of the output is gone: no finding.
        sys.exit(Exit.INCOMPLETE if end.code == Exit.BAD else end.code)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        hint = "nothing recorded is lost; check the disk, the permissions and where the output goes"
        _leave(f"error: {_safe(what)}\n  hint: {hint}", Exit.INCOMPLETE)
    except Exception as error:  # noqa: BLE001 - the last door: what nobody foresaw is a message too
        _leave(_fault(error), Exit.INCOMPLETE)
    sys.exit(result if isinstance(result, int) else Exit.GOOD)


def _open_standard_streams() -> None:
    """Give a stream that the caller closed to nobody: else the next file opened would be taken for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end


def _end_in_order() -> None:
    """SIGTERM and SIGHUP unwind the program as Ctrl-C does: a prompt without echo gives the echo back."""

    def stop(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # else somebody chose: nohup
            signal.signal(number, stop)


def _leave(message: str, code: Exit) -> NoReturn:
    """Say it on standard error and end. What is still buffered for a reader that is gone is let go without a word."""
    if message:
        click.echo(message, err=True)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _safe(text: str) -> str:
    """For the screen. A message that repeats an argument may repeat a secret that was pasted in the wrong place."""
    from runbook_tui.foundation.text import plain
    from runbook_tui.secrets.patterns import Guard

    shown, at = "", 0
    for hit in Guard().hits(text):
        if hit.end > at:
            shown, at = f"{shown}{text[at : hit.start]}«{hit.what}»", hit.end
    text = shown + text[at:]
    return plain(text, 20_000, keep_newlines=True)


def _fault(error: Exception) -> str:
    """Where the program is wrong. The exception's own text stays out: it may hold anything."""
    hint = "this is a bug, please report this line; the journal is safe: `runbook incident list`"
    return f"error: a fault in the program: {place(error)}\n  hint: {hint}"
