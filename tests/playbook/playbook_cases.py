"""A small playbook that is right, and every kind of mistake as a change to it."""

from __future__ import annotations

GOOD = """\
runbook: 1
id: small
title: A small one
target: 5m
inputs:
  leaked: {type: credential, ask: Which one?}
  users: {type: consumer, many: true, ask: Who uses it?}
  leaver: {type: person, required: false, ask: Who leaves?}
  repos: {type: path, many: true, required: false, ask: Where to look?}
orders:
  contain_first: [revoke, create]
  replace_first: [create, revoke]
steps:
  - id: declare
    phase: declare
    title: Say what is known
    ask:
      power: {ask: What can it do?, type: choice, options: [little, much], default: much}
  - id: capture
    phase: capture
    title: Look at $(leaked.name)
    call: {operation: inspect, on: $leaked}
    target: 30s
  - id: decide
    phase: decide
    title: Decide
    needs: [declare]
    decide: order
  - id: create
    phase: replace
    title: Make one
    needs: [capture]
    call: {operation: create, on: $leaked}
    store: $leaked.new
    verify: {credential: $leaked.new, is: alive, within: 2m}
    target: 45s
  - id: revoke
    phase: contain
    title: End it
    needs: [capture]
    when: {path: facts.power, eq: much}
    call: {operation: revoke, on: $leaked}
    confirm: typed
    verify: {credential: $leaked.old, is: dead, within: 60s}
    target: 45s
"""

# name: (text to find, text to put there, part of the message, part of the place "line:column")
MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown field": ("    confirm: typed", "    confrim: typed", "did you mean `confirm`?"),
    "unknown field at the top": ("target: 5m\n", "targte: 5m\ntarget: 5m\n", "did you mean `target`?"),
    "missing field": ("    title: End it\n", "", "needs `title`"),
    "wrong type": ("    needs: [declare]", "    needs: declare", "`needs` must be a list, not text"),
    "a number for a text": ("title: Decide", "title: 12", "`title` must be text, not a whole number"),
    "a boolean for a list": ("    needs: [declare]", "    needs: true", "must be a list, not true or false"),
    "version of the format": ("runbook: 1", "runbook: 2", "`runbook` must be 1"),
    "version as text": ("runbook: 1", 'runbook: "1"', "`runbook` must be a whole number, not text"),
    "duplicate key": ("    confirm: typed", "    confirm: typed\n    confirm: none", "stands here twice"),
    "anchor": ("title: Decide", "title: &x Decide", "anchors"),
    "alias": ("title: Decide", "title: *x", "aliases"),
    "tag": ("title: Decide", "title: !!python/name:os.system Decide", "is not allowed"),
    "merge key": ("    decide: order", "    decide: order\n    <<: {title: x}", "merge keys"),
    "two documents": ("steps:", "---\nsteps:", "only one document"),
    "not YAML": ("    needs: [declare]", "    needs: [declare", "not valid YAML"),
    "tab": ("    needs: [declare]", "\tneeds: [declare]", "not valid YAML"),
    "control character": ("title: Decide", 'title: "Decide\x07"', "U+0007"),
    "direction character": ("title: Decide", "title: Dec\u202eide", "U+202E"),
    "zero width character": ("title: Decide", "title: Dec\u200bide", "U+200B"),
    "unknown operation": ("operation: inspect", "operation: inspekt", "did you mean inspect?"),
    "unknown operation to undo": ("    confirm: typed", "    undo: ressurect", "no provider knows the operation"),
    "unknown phase": ("phase: contain", "phase: contian", "did you mean `contain`?"),
    "unknown input": ("inspect, on: $leaked", "inspect, on: $laeked", "did you mean $leaked?"),
    "unknown input in text": ("$(leaked.name)", "$(laeked.name)", "refers to nothing"),
    "unknown input in a condition": ("path: facts.power", "path: fatcs.power", "did you mean $facts?"),
    "unknown fact": ("path: facts.power", "path: facts.powr", "no step asks for that fact"),
    "unknown step in a condition": ("path: facts.power", "path: steps.declair.status", "there is no such step"),
    "lone dollar": ("title: Decide", "title: It costs $5", "a lone $"),
    "half a reference": ("inspect, on: $leaked", "inspect, on: $leaked now", "cannot be '$leaked now'"),
    "input of another kind": ("inspect, on: $leaked", "inspect, on: $users", "takes a credential"),
    "unknown type of input": ("type: credential", "type: credentail", "did you mean `credential`?"),
    "step id twice": ("- id: revoke", "- id: create", "is used twice"),
    "a name that is none": ("- id: decide", "- id: De cide", "cannot be 'De cide'"),
    "a name with a line break": ("- id: decide", '- id: "decide\\n"', "cannot be 'decide\\n'"),
    "unknown need": ("needs: [declare]", "needs: [declrae]", "did you mean declare?"),
    "later need": ("needs: [declare]", "needs: [revoke]", "comes later"),
    "cycle of needs": ("    title: Say what is known", "    title: Say\n    needs: [decide]", "comes later"),
    "need of itself": ("needs: [declare]", "needs: [decide]", "comes later"),
    "unknown step in an order": ("[create, revoke]", "[create, revoek]", "did you mean revoke?"),
    "a step twice in an order": ("[create, revoke]", "[create, revoke, create]", "stands here twice"),
    "unknown order": ("  replace_first:", "  replace_last:", "did you mean `replace_first`?"),
    "orders without a decision": ("    decide: order", "    note: x", "no step decides the order"),
    "order against needs": (
        "    needs: [capture]\n    when:",
        "    needs: [capture, create]\n    when:",
        "comes later",
    ),
    "two actions": ("    decide: order", "    decide: order\n    note: x", "two actions"),
    "no action": ("    decide: order\n", "", "does nothing"),
    "change without proof": ("    verify: {credential: $leaked.old, is: dead, within: 60s}\n", "", "proves nothing"),
    "wrong word of proof": ("is: dead, within", "is: deceased, within", "cannot be 'deceased'"),
    "word of another proof": ("$leaked.old, is: dead", "$leaked.old, is: gone", "credential cannot be 'gone'"),
    "proof of the wrong side": ("$leaked.old, is: dead", "$leaked.new, is: dead", "is asked of $NAME.old"),
    "two things to prove": ("is: dead, within", "consumers: $users, is: dead, within", "exactly one of"),
    "revoke before capture": (
        "    needs: [capture]\n    when: {path: facts.power, eq: much}\n",
        "",
        "ends the credential before it is captured",
    ),
    "probe before capture": (
        "    decide: order",
        "    verify: {credential: $leaked.old, is: dead, within: 9s}",
        "before it is captured",
    ),
    "retry": ("    confirm: typed", "    retry: {times: 3, every: 5s}", "unknown field `retry`"),
    "wrong duration": ("within: 60s", "within: 60", "must be text"),
    "empty duration": ("within: 60s", 'within: ""', "`within` cannot be ''"),
    "endless duration": ("within: 60s", f"within: {'9' * 400}d", "`within` cannot be"),
    "literal secret": (
        "title: Decide",
        f"title: Use {'ghp' + '_' + 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8'}",
        "looks like a secret",
    ),
    "condition that is a text": ("{path: facts.power, eq: much}", "power is much", "must be a mapping"),
    "condition without a test": ("{path: facts.power, eq: much}", "{path: facts.power}", "exactly one of"),
    "condition with two tests": ("eq: much}", "eq: much, ne: little}", "exactly one of"),
    "condition with a dollar": ("path: facts.power", "path: $facts.power", "without $"),
    "condition on nothing": ("{path: facts.power, eq: much}", "{}", "a condition is a mapping"),
    "condition that compares a text": ("eq: much}", "lt: much}", "`lt` takes a number"),
    "condition with `exists: no`": ("eq: much}", "exists: no}", "`exists` takes true or false"),
    "condition `in` no list": ("eq: much}", "in: much}", "`in` takes a list"),
    "empty `all`": ("{path: facts.power, eq: much}", "{all: []}", "takes a list of conditions"),
    "`not` beside something": ("eq: much}", "eq: much, not: {path: mode, eq: live}}", "stands alone"),
    "for_each without a list": ("    confirm: typed", "    for_each: $leaked", "is not a list"),
    "for_each of a text": ("    confirm: typed", "    for_each: everything", "`for_each` cannot be"),
    "$each outside": ("inspect, on: $leaked", "inspect, on: $each", "without for_each"),
    "store into the old": ("store: $leaked.new", "store: $leaked.old", "stored as $NAME.new"),
    "confirm without a call": ("    decide: order", "    decide: order\n    confirm: typed", "goes with `call` only"),
    "choice without options": (", options: [little, much], default: much", "", "has no options"),
    "one option": ("options: [little, much]", "options: [much]", "2 or more entries"),
    "empty file": (GOOD, "", "the file is empty"),
    "a list": (GOOD, "- a\n- b\n", "must be a mapping, not a list"),
    "no steps": (GOOD[GOOD.index("steps:") :], "steps: []\n", "1 or more entries"),
    "large file": ("summary", "summary", "larger than 256 KiB"),
    "deep nesting": ("    confirm: typed", "    undo: " + "[" * 400 + "]" * 400, "nested deeper"),
}


def broken(name: str) -> str:
    """The good playbook with one mistake."""
    if name == "large file":
        return GOOD + "# " + "x" * 300_000 + "\n"
    find, put, _ = MISTAKES[name]
    assert GOOD.count(find) == 1, f"{name}: {find!r} stands {GOOD.count(find)} times in it"
    return GOOD.replace(find, put)
