"""The line-by-line front end: no terminal control, words for every state; for pipes, screen readers, dumb terminals."""
