"""Coverage-guided fuzzing: one small module a target, each with `seeds()` and `one(data)`.

`python -m tests.fuzz yaml --seconds 600` fuzzes one (see `__main__`). `one` raises for a finding and returns otherwise;
what a target may raise of itself (InputProblems, RunbookError, NetFault) it takes as an answer.
"""

TARGETS = ("yaml", "documents", "substitution", "redactor", "packs", "headers", "env", "url")
