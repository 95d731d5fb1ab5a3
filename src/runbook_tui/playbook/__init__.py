"""A playbook file becomes a typed Playbook, or a list of mistakes with their places. Pure: no clock, no network."""
