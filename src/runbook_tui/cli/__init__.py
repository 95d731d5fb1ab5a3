"""The `runbook` command: one file per command, imported only when that command is called.

A command's module exposes `command`, a `click.Command`. `json_option` and `emit` keep the promise that `--json` prints
one document on standard output and nothing else there.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from runbook_tui import __version__
from runbook_tui.foundation.errors import Exit, RunbookError

# Name -> one line for the help, so that `runbook --help` imports no command.
_COMMANDS = {
    "run": "Run a playbook on a real incident.",
    "drill": "Rehearse a playbook against a simulated provider.",
    "resume": "Continue an open incident.",
    "init": "Make a workspace: inventory, own playbooks, keyring choice.",
    "incident": "The journal: list, show, note, verify.",
    "report": "Export an incident's report.",
    "scan": "Search a git repository's whole history for a leaked value.",
    "webhook": "Sign test webhooks.",
    "credential": "The vault: add, list, show, remove, check.",
    "provider": "The catalogue: list, show, check, call.",
    "playbook": "Playbooks: list, show, check, schema, new.",
    "doctor": "Check this machine: keyring, clock, disk, terminal.",
}
_HIDDEN = ("conductor",)


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS and cmd_name not in _HIDDEN:
            return None
        module = importlib.import_module(f"runbook_tui.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runbook")
@click.pass_context
def runbook(ctx: click.Context) -> None:
    """Respond to a leaked credential: revoke, replace, roll out, prove, report.

    Without a command, opens the home screen.
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
    """The console script: every expected failure is one clear message and an exit code, never a traceback."""
    try:
        result = runbook(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RunbookError as error:
        click.echo(f"error: {error}" if not hasattr(error, "problems") else str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(Exit.BAD)
    sys.exit(result if isinstance(result, int) else Exit.GOOD)
