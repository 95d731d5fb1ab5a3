"""Exposure: where in a repository's whole history a known value stands, and what could not be looked at."""
