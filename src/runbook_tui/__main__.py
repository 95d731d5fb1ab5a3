"""`python -m runbook_tui` is the `runbook` command."""

from runbook_tui.cli import main

main()
