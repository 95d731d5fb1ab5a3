"""A run without an operator: every question is answered by a file, and an unanswered one is an error.

The file is YAML: `STEP: {QUESTION: answer}`; `STEP: {skip: reason}` skips, `STEP: {skip_if_failed: reason}` does so
after the step was tried; `waive: {LINE: {name, reason}}` waives at the end. A secret is named, never written:
`new_secret: {credential: NAME}`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from runbook_tui.conductor.protocol import Client
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.strict_yaml import load_file
from runbook_tui.incident.board import sentence
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.plan import what_is_next
from runbook_tui.plain.telling import Telling

# A step that ended without its proof is not tried for ever.
_TRIES = 2


def read_answers(path: Path | None) -> dict[str, Any]:
    """The answers file; {} without one."""
    if path is None:
        return {}
    document = load_file(path)
    if not isinstance(document.data, dict) or not all(isinstance(one, dict) for one in document.data.values()):
        raise RunbookError(f"{path} is not an answers file", "write `STEP: {QUESTION: answer}`")
    if not all(isinstance(one, dict) for one in document.data.get("waive", {}).values()):
        raise RunbookError(f"{path}: a waiver has a name and a reason", "write `waive: {LINE: {name: …, reason: …}}`")
    return document.data


def run_headless(client: Client, answers: Mapping[str, Any], say: Callable[[str], None]) -> int:
    """Play the run to its end and close it. RunbookError when a question has no answer or a step does not succeed."""
    pushes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    client.listen(pushes.put)
    tries: dict[str, int] = {}
    while True:
        _until_idle(client, pushes, say)
        following = what_is_next(client.book, client.state, client.clock.now())
        if following.step is None:
            if following.waiting:
                _wait_for(client, following.waiting)
                continue
            if any(one.status == "running" for one in client.state.steps.values()):
                continue
            break
        step = following.step.id
        given = dict(answers.get(step, {}))
        failed_reason = str(given.pop("skip_if_failed", ""))
        tries[step] = tries.get(step, 0) + 1
        if tries[step] > _TRIES:
            one = client.state.step(step)
            verify = following.step.verify
            if failed_reason:
                client.request("skip", step=step, reason=f"{failed_reason} ({one.reason})")
                continue
            if verify is not None and not verify.gate:
                client.request("skip", step=step, reason=f"{one.status}: {one.reason or 'no proof'}")
                continue
            hint = "; ".join(one.manual) or "see the journal"
            raise RunbookError(f"{step} ended as {one.status}: {one.reason}", hint, exit_code=Exit.INCOMPLETE)
        if "skip" in given:
            client.request("skip", step=step, reason=str(given["skip"]))
            continue
        _answer(client, step, given)
    _close(client, answers)
    return Exit.GOOD


def _answer(client: Client, step: str, given: dict[str, Any]) -> None:
    if client.state.step(step).acted:
        client.request("run", step=step, answers={})
        return
    for prompt in client.request("prompts", step=step)["prompts"]:
        if prompt["name"] not in given and prompt["required"] and not prompt["default"]:
            raise RunbookError(
                f"step {step} asks {prompt['name']!r} and the answers file says nothing: {prompt['ask']}",
                "; ".join([f"add `{step}: {{{prompt['name']}: …}}`", *filter(None, [prompt["link"], *prompt["help"]])]),
                exit_code=Exit.INCOMPLETE,
            )
    client.request("run", step=step, answers=given)


def _until_idle(client: Client, pushes: queue.SimpleQueue[dict[str, Any]], say: Callable[[str], None]) -> None:
    telling = Telling()
    while True:
        try:
            push = pushes.get(timeout=0.05)
        except queue.Empty:
            if any(one.status == "running" for one in client.state.steps.values()):
                continue
            return
        if "lost" in push:
            raise RunbookError(push["lost"], "`runbook resume` goes on", exit_code=Exit.INCOMPLETE)
        if "event" in push and (said := sentence(push["event"])):
            say(f"{push['event'].ts[11:19]} {said}")
        if "alarm" in push.get("progress", {}):
            told = push["progress"]
            hint = "; ".join([told["hint"], *(f"by hand: {one}" for one in told["by_hand"])])
            raise RunbookError(told["alarm"], hint, exit_code=Exit.INCOMPLETE)
        if said := telling.line(push.get("progress", {})):
            say(f"{client.clock.now():%H:%M:%S} {said}")


def _wait_for(client: Client, waiting: tuple[str, ...]) -> None:
    until = min(parse_instant(client.state.step(step).until) for step in waiting)
    left = (until - client.clock.now() + timedelta(milliseconds=50)).total_seconds()
    client.clock.sleep(max(0.05, left))


def _close(client: Client, answers: Mapping[str, Any]) -> None:
    for line, waiver in answers.get("waive", {}).items():
        client.request("waive", line=line, name=str(waiver.get("name", "")), reason=str(waiver.get("reason", "")))
    if open_lines(client.state):
        return  # it stays open, and the result says so
    client.request("close")
