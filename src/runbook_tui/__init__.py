"""runbook-tui: respond to a leaked credential, prove it dead, and export the report."""

__version__ = "0.1.0"
