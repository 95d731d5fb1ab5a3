"""Reads schemes from strict YAML: the shipped ones and a team's own. One file is one scheme, named after it.

```yaml
webhook: 1
scheme: stripe                       # the file is stripe.yaml
name: Stripe
kind: shared                         # shared | bearer | url-token | vendor-key
key: raw                             # a form of scheme.KEY_FORMS
key_prefix: whsec_                   # optional
alg: hmac-sha256                     # one of scheme.ALGORITHMS; left out = none
signed: "{ts}.{body}"                # tokens only; see scheme.SIGNED_TOKENS
code: twilio                         # instead of `signed`: one of hooks.HOOKS, for what a template cannot say
enc: hex                             # hex | b64 | b64url
headers: {Stripe-Signature: "t={ts},{sigs}"}   # {sig}, {sigs}, {sig} and {sig2}, or {secret} is the proof
sigs: {each: "v1={sig}", join: ","}  # several signatures in one header, as in a roll; goes with {sigs}
covers: [body, ts]                   # what `signed` covers; with `code` also fields:/json/pointer; [] = nothing
id: body:/id                         # header:<name> | body:<JSON pointer>; left out = none
event: body:/type                    # where the event's name stands
scope: body:/account                 # where the project, account or app stands
tolerance: {past: 300, future: 300, enforced: sdk}   # seconds; sdk | doc; left out = nobody refuses
answers: {ok: [2xx], duplicate: [2xx], bad: [400]}
answer_within: 10                    # seconds; left out = not published
roll_window: 86400                   # seconds the old secret keeps working after a roll; left out = 0 or not published
safe_event: {event: ping, body: {id: "{id}"}, caution: "..."}
variants: {recipe: {event: ping, body: {}}}    # other envelopes of it
probes:                              # requests that are no events, as the vendor sends them
  - {name: probe, title: "...", method: POST, signed: false, query: {}, headers: {}, body: {}, acts: false,
     expect: {status: [200], json: {}, text: "{challenge}", holds: "", headers: {}, content_type: text/plain}}
abuse:                               # the same, with what only a faulty endpoint answers, and why it matters
  - {name: oracle, title: "...", signed: false, body: {}, fails_on: {status: [2xx]}, why: "..."}
forms: [raw, b64]                    # wrong readings of the secret (scheme.WRONG_FORMS) worth a diagnosis
facts: {key_id: "what it is"}        # what else a signature needs; a token of that name
min_token_bytes: 24                  # url-token: random bytes a token should have
content_type: application/json       # optional
notes: "..."                         # optional
vectors: [stripe-sdk]                # published vectors that the tests recompute
unconfirmed: ["..."]                 # statements for which no source was read
source: "..."
checked_on: 2026-11-22
```
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import load_file
from runbook_tui.foundation.text import one_line
from runbook_tui.webhooks.reader import read_scheme
from runbook_tui.webhooks.scheme import Scheme


class Schemes:
    """The known schemes. A scheme's file is read when it is asked for, so a broken one stops nobody else."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    @classmethod
    def load(cls, extra_folders: Iterable[Path] = ()) -> Schemes:
        """The shipped schemes and those of `extra_folders` (a workspace's `schemes/`; a missing folder is empty).

        InputProblems when a file has the name of a scheme that is there already: a test must not silently change.
        """
        files: dict[str, Path] = {}
        for folder in (shipped("webhooks", "schemes"), *extra_folders):
            for path in sorted(folder.glob("*.yaml")):
                if path.stem in files:
                    message = f"the scheme {path.stem!r} exists already ({files[path.stem]})"
                    raise InputProblems([Problem(str(path), 1, 1, message, "rename your file and its `scheme`")])
                files[path.stem] = path
        return cls(files)

    def ids(self) -> list[str]:
        return sorted(self._files)

    def get(self, scheme: str) -> Scheme:
        """RunbookError for an unknown name, InputProblems for a file that is not a scheme."""
        path = self._files.get(scheme)
        if path is None:
            alike = get_close_matches(scheme, self.ids())
            hint = f"did you mean {' or '.join(alike)}? " if alike else ""
            raise RunbookError(
                f"unknown webhook scheme {one_line(scheme, 80)!r}",
                f"{hint}`runbook webhook schemes` lists all {len(self.ids())}",
            )
        return read(path)


def read(path: Path) -> Scheme:
    """One scheme file; InputProblems lists every mistake in it."""
    return read_scheme(load_file(path), path.stem)
