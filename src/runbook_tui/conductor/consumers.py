"""Consumers: giving the new secret to one, and looking whether it uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runbook_tui.conductor.kit import Kit
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import write_atomic
from runbook_tui.foundation.inventory import Consumer
from runbook_tui.net.client import NetFault, Request
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Credential

Reply = dict[str, Any]
MOST_BYTES = 1 << 20
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:=+@%,~-]*")


def deploy(kit: Kit, consumer: Consumer, new: Credential, op: str, sending: Callable[[], None]) -> Reply:
    """Give `new` to a consumer of the inventory. The reply: {result, stage, reason, evidence, status}."""
    if consumer.kind == "env-file":
        return _env_file(consumer, new, sending)
    if consumer.kind == "secret-manager":
        return _secret_manager(kit, consumer, new, op, sending)
    return _reply("rejected", reason=f"a {consumer.kind} consumer is loaded by hand")


def watch(kit: Kit, consumer: Consumer, new: Credential, admin: Credential | None, since: str) -> Reply:
    """Look whether the consumer uses `new`. The reply: {stage, proof, reason, evidence}; stage is used or stored."""
    if consumer.used.kind == "health":
        return _health(kit, consumer.used.url)
    if consumer.used.kind == "vendor-last-used":
        return _last_used(kit, new, admin, since)
    return _seen("stored", "none", "nothing is named that could show it: attest it or waive it")


def set_variable(text: str, variable: str, value: str) -> str:
    """The env file's text with `variable` set; other lines, comments and the `export` word stay as they are."""
    shown = value if _PLAIN_VALUE.fullmatch(value) else "'" + value.replace("'", "'\\''") + "'"
    line = re.compile(rf"^(\s*(?:export\s+)?{re.escape(variable)}\s*=).*$", re.MULTILINE)
    if line.search(text):
        return line.sub(lambda match: match.group(1) + shown, text)
    return text + ("" if not text or text.endswith("\n") else "\n") + f"{variable}={shown}\n"


def _env_file(consumer: Consumer, new: Credential, sending: Callable[[], None]) -> Reply:
    path, variable = Path(consumer.path).expanduser(), consumer.variable
    assert new.secret is not None
    value = new.secret.expose()
    if "\n" in value or "\0" in value:
        return _reply("rejected", reason="a value of several lines does not fit into an env file")
    evidence = {"file": str(path), "variable": variable}
    try:
        if path.is_symlink():
            path = path.resolve(strict=True)
        text = ""
        if path.exists():
            if not path.is_file() or path.stat().st_size > MOST_BYTES:
                return _reply("rejected", reason=f"{path} is not an env file", evidence=evidence)
            text = path.read_text(encoding="utf-8")
        changed = set_variable(text, variable, value).encode()
        sending()
        write_atomic(path, changed, 0o600)
        if path.read_bytes() != changed:
            return _reply("unknown", reason=f"{path} does not hold what was written", evidence=evidence)
    except UnicodeDecodeError:
        return _reply("rejected", reason=f"{path} is not UTF-8 text", evidence=evidence)
    except OSError as error:
        # The file is replaced in one step, so a failed write left the old content.
        return _reply("rejected", reason=f"cannot write {path}: {error.strerror}", evidence=evidence)
    return _reply("done", stage="stored", reason=f"{variable} written to {path}, mode 0600", evidence=evidence)


def _secret_manager(kit: Kit, consumer: Consumer, new: Credential, op: str, sending: Callable[[], None]) -> Reply:
    store = kit.credential(consumer.store)
    args = {name: getattr(consumer, name) for name in ("mount", "path", "field") if getattr(consumer, name)}
    subjects = {"admin": store, "new": new}
    outcome = kit.engine.call("rollout", subjects, args, operation_id=op, sending=sending)
    return {
        "result": outcome.result,
        "stage": "stored",
        "status": outcome.status,
        "reason": outcome.reason or f"written to {'/'.join(map(str, args.values()))}",
        "evidence": outcome.evidence,
    }


def _health(kit: Kit, url: str) -> Reply:
    """A health URL of the consumer: 200 means that it runs on the new one."""
    try:
        answer = kit.network.send(Request("GET", url), [url], deadline=10)
    except NetFault as fault:
        return _seen("stored", "none", f"its health URL did not answer: {fault.message}")
    evidence = {"request": "GET health URL", "status": answer.status}
    if answer.status == 200:
        return {**_seen("used", "health", "its health URL answers 200"), "evidence": evidence}
    return {**_seen("stored", "none", f"its health URL answers {answer.status}"), "evidence": evidence}


def _last_used(kit: Kit, new: Credential, admin: Credential | None, since: str) -> Reply:
    """The vendor's own record of the last use, when it is later than the roll-out."""
    subjects = {"credential": new, **({"admin": admin} if admin else {})}
    outcome = kit.engine.call("inspect", subjects, {}, operation_id="", sending=lambda: None)
    if outcome.result != "done":
        return _seen("stored", "none", f"the vendor did not say: {outcome.reason}")
    last = outcome.outputs.get("last_used_at")
    if not last:
        return {**_seen("stored", "none", "the vendor has seen no use yet"), "evidence": outcome.evidence}
    if _later(str(last), since):
        return {
            **_seen("used", "listed", f"the vendor saw the new one used at {last} (it does not say by whom)"),
            "evidence": outcome.evidence,
        }
    return {**_seen("stored", "none", f"last use {last}, before the roll-out"), "evidence": outcome.evidence}


def _later(last: str, since: str) -> bool:
    """Whether a use is certainly later. A vendor that gives whole seconds has to name a later second."""
    try:
        used, start = parse_instant(last), parse_instant(since)
    except RunbookError:
        return False
    return used > start if used.microsecond else used > start.replace(microsecond=0)


def _reply(result: str, stage: str = "failed", reason: str = "", evidence: Mapping[str, Any] | None = None) -> Reply:
    return {"result": result, "stage": stage, "status": None, "reason": reason, "evidence": dict(evidence or {})}


def _seen(stage: str, proof: str, reason: str) -> Reply:
    return {"stage": stage, "proof": proof, "reason": reason, "evidence": {}}


def value_of(credential: Credential) -> Secret:
    """The secret, or a clear refusal when only the key id is known."""
    if credential.secret is None:
        raise RunbookError(f"the value of {credential.name} is not known here", "only its key id is")
    return credential.secret
