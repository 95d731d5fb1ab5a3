"""Real programs that the tests talk to: each started on loopback, and ended, by its fixture."""
