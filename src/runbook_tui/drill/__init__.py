"""Rehearsals: scenarios, a simulated world served on loopback, and the model operator."""
