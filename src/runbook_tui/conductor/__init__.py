"""Runs an incident: asks `incident` what is next, journals the intent, acts, journals the outcome, tells terminals."""
