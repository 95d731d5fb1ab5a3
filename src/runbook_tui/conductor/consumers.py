"""Consumers: giving the new secret to one, and looking whether it uses it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runbook_tui.conductor.envfile import set_variable
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


def _env_file(consumer: Consumer, new: Credential, sending: Callable[[], None]) -> Reply:
    # A ~ that means nothing stays as it is, and no such file is found.
    path, variable = Path(os.path.expanduser(consumer.path)), consumer.variable  # noqa: PTH111
    value = value_of(new).expose()
    if re.search(r"[\r\n\0]", value):
        return _reply("rejected", reason="a value of several lines does not fit into an env file")
    evidence = {"file": str(path), "variable": variable}
    changed = b""
    try:
        if path.is_symlink():
            path = path.resolve(strict=True)
        owner = None
        text = ""
        if path.exists():
            owner = path.stat()
            if not path.is_file() or owner.st_size > MOST_BYTES:
                return _reply("rejected", reason=f"{path} is not an env file", evidence=evidence)
            text = path.read_bytes().decode()
        try:
            changed = set_variable(text, variable, value).encode()
        except RunbookError as error:
            return _reply("rejected", reason=f"{path}: {error.message}; {error.hint}", evidence=evidence)
        sending()
        write_atomic(path, changed, 0o600)
    except UnicodeDecodeError:
        return _reply("rejected", reason=f"{path} is not UTF-8 text", evidence=evidence)
    except (OSError, RuntimeError) as error:  # RuntimeError: a symlink that leads to itself
        # The file is replaced in one step: it holds the old content or the new.
        if not changed or _content(path) != changed:
            why = getattr(error, "strerror", "") or str(error)
            return _reply("rejected", reason=f"cannot write {path}: {why}", evidence=evidence)
    if _content(path) != changed:
        return _reply("unknown", reason=f"{path} does not hold what was written", evidence=evidence)
    told = f"{variable} written to {path}, mode 0600" + _give_back(path, owner)
    return _reply("done", stage="stored", reason=told, evidence=evidence)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _give_back(path: Path, before: os.stat_result | None) -> str:
    """A replaced file belongs to whoever wrote it: give it back to its owner, or say that it is not theirs any more."""
    if before is None or before.st_uid == path.stat().st_uid:
        return ""
    try:
        os.chown(path, before.st_uid, before.st_gid)
    except OSError:
        return f"; it belonged to user {before.st_uid} and is yours now: give it back, or its reader cannot open it"
    return ""


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
