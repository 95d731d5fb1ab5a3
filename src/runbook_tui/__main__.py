"""`python -m runbook_tui` is the `runbook` command."""

import signal


def main() -> None:
    """The console script. Ctrl-C while the program is still being loaded ends it without a traceback."""
    begun = signal.getsignal(signal.SIGINT)  # ignored in a background job: it stays so
    if begun is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from runbook_tui.cli import main as run

    signal.signal(signal.SIGINT, begun)
    run()


if __name__ == "__main__":
    main()
