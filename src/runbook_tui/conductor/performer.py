"""Performs the effects that `incident` asks for, except `Record`: everything that touches the world."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from runbook_tui.conductor import consumers
from runbook_tui.conductor.kit import Kit
from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import write_atomic
from runbook_tui.incident import effects as do
from runbook_tui.incident.state import IncidentState, Subject
from runbook_tui.playbook.model import CHANGES
from runbook_tui.providers.engine import CallOutcome
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError

Reply = Any
# A rate-limit wait up to this many seconds is waited out; a longer one lets other steps go on.
_PATIENCE = 5.0


class Performer:
    """`record_sending` journals `sending` for an op; `report` renders the report; both come from the conductor."""

    def __init__(
        self,
        kit: Kit,
        record_sending: Callable[[str], object],
        look: Callable[[], IncidentState],
        report: Callable[[], str],
        progress: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._kit = kit
        self._record_sending = record_sending
        self._look = look
        self._report = report
        self._progress = progress
        self.stopped = threading.Event()  # the operator ended the running step's waiting
        self.pasted: dict[str, Secret] = {}  # answers to secret prompts of the running step
        self._perform: dict[type, Callable[[Any], Reply]] = {
            do.Call: self._call,
            do.Keep: self._keep,
            do.Probe: self._probe,
            do.Deploy: self._deploy,
            do.Watch: self._watch,
            do.Scan: self._scan,
            do.Deliver: self._deliver,
            do.Export: self._export,
            do.Sleep: lambda effect: kit.clock.sleep(effect.seconds, self.stopped),
            do.Now: lambda effect: iso(kit.clock.now()),
            do.Steady: lambda effect: (kit.clock.boot_id(), kit.clock.mono_ns() / 1e9),
            do.Look: lambda effect: look(),
        }

    def perform(self, effect: do.Effect) -> Reply:
        """Do it and return the reply that the effect describes."""
        return self._perform[type(effect)](effect)

    def preview(self, subject: Subject, operation: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What a call would send, masked: {method, url, headers, body, sentence, destructive, reversible}."""
        shown = self._kit.engine.preview(operation, self._subjects(subject), dict(args))
        return {name: getattr(shown, name) for name in ("method", "url", "headers", "body", "sentence", "reversible")}

    # -- provider calls

    def _subjects(self, subject: Subject, side: str = "old") -> dict[str, Credential]:
        kit = self._kit
        if subject.kind == "account":
            admin = kit.admin(subject.slot, subject.provider)
            if admin is None:
                raise RunbookError(
                    f"no admin credential is known for {subject.provider_name}", "name it in the inventory"
                )
            binding = admin.binding
            attributes = {**binding.attributes, **subject.attributes}
            bound = Binding(binding.provider, binding.origins, subject.key_id, attributes)
            account = Credential(subject.name, None, bound)
            return {"credential": account, "admin": admin}
        if side == "new":
            one = kit.credential(subject.new_name)
        else:
            known = kit.credential(subject.name) if subject.has_secret else None
            binding = known.binding if known else kit.describe(subject.name)
            attributes = {**binding.attributes, **subject.attributes}
            binding = replace(binding, key_id=subject.key_id or binding.key_id, attributes=attributes)
            one = Credential(subject.name, known.secret if known else None, binding)
        found = {"credential": one}
        admin = kit.admin(subject.slot, subject.provider)
        if admin is not None:
            found["admin"] = admin
        return found

    def _call(self, effect: do.Call) -> Reply:
        subject = self._look().subjects[effect.slot]
        sent = False

        def sending() -> None:
            nonlocal sent
            if effect.op:
                self._record_sending(effect.op)
            sent = True

        try:
            if effect.operation in CHANGES and effect.store:
                self._check_storable()
            subjects = self._subjects(subject)
            outcome = self._kit.engine.call(
                effect.operation, subjects, dict(effect.args), operation_id=effect.op, sending=sending
            )
        except RunbookError as error:
            return _failed(error, sent)
        told = self._told(effect, subject, outcome)
        if outcome.result == "rejected" and effect.operation == "membership":
            verdict = self._kit.engine.verify(subjects, operation="membership")
            if verdict.state == "dead":  # there is nothing left to look up, and that is an answer too
                told.update(result="done", outputs={"state": f"gone: {verdict.reason}"}, evidence=verdict.evidence)
        return told

    def _told(self, effect: do.Call, subject: Subject, outcome: CallOutcome) -> dict[str, Any]:
        reply: dict[str, Any] = {
            "result": outcome.result,
            "status": outcome.status,
            "reason": outcome.reason,
            "outputs": outcome.outputs,
            "evidence": outcome.evidence,
            "already": outcome.already,
            "new": None,
            "learned": _learned(subject, outcome),
            "note": self._kit.catalogue.get(subject.provider).operations[effect.operation].note,
        }
        if outcome.new is not None and effect.store:
            try:
                reply["new"] = self._store_new(subject, outcome.new)
            except RunbookError as error:
                made = outcome.new.binding.key_id or "a new key"
                lost = f"{made} was made, but its secret could not be kept: {error.message}; delete it and make another"
                reply.update(result="unknown", reason=lost)
        return reply

    def _check_storable(self) -> None:
        """A new secret that cannot be kept is a secret lost: write-test the vault before one is made."""
        kit, state = self._kit, self._look()
        if state.mode == "live" and not kit.vault.durable:
            places = [one for one in state.consumers.values() if one.kind in ("env-file", "secret-manager")]
            if not places:
                raise RunbookError(
                    "the new secret would only be kept in memory", "use --vault keyring or file, or name a consumer"
                )
        kit.vault.check()

    def _store_new(self, subject: Subject, new: Credential) -> dict[str, str]:
        kit = self._kit
        assert new.secret is not None
        kit.register(new.secret, f"{subject.name} (new)")
        names, name, count = set(kit.vault.names()), f"{subject.name}-new", 2
        while name in names:
            name, count = f"{subject.name}-new-{count}", count + 1
        kit.vault.put(Credential(name, new.secret, new.binding))
        shown = kit.shown(new.secret, new.binding.provider)
        return {"name": name, "key_id": new.binding.key_id, "stored_in": kit.vault.kind, **shown}

    def _keep(self, effect: do.Keep) -> Reply:
        subject = self._look().subjects[effect.slot]
        secret = self.pasted.pop(effect.answer)
        if subject.has_secret and self._kit.credential(subject.name).secret == secret:
            raise RunbookError("that is the old secret, not a new one", "paste the value the dashboard shows now")
        old = self._kit.describe(subject.name)
        binding = type(old)(old.provider, old.origins, "", old.attributes, iso(self._kit.clock.now()))
        return self._store_new(subject, Credential(subject.name, secret, binding))

    def _probe(self, effect: do.Probe) -> Reply:
        subject = self._look().subjects[effect.slot]
        kit = self._kit
        manifest = kit.catalogue.get(subject.provider)
        settle = max((operation.settle for operation in manifest.operations.values()), default=0.0)
        none = {"state": "undetermined", "proof": "none", "evidence": {}, "wait": 0.0, "settle": settle, "final": False}
        operation = "membership" if subject.kind == "account" else "verify"
        if effect.side == "old" and subject.can.get(operation) != "api":
            operation = "inspect"  # the secret is not known here, but an administrator may see it listed
        offered = manifest.operations.get(operation)
        if offered is None or not offered.verdict:
            return {**none, "reason": manifest.no_proof or f"{manifest.name} offers no proof here", "final": True}
        try:
            subjects = self._subjects(subject, effect.side)
            wait = kit.engine.wait_for(operation, subjects)
            if wait > 0 and wait > _PATIENCE:
                reason = f"{manifest.name} allows the next call in {round(wait)} s"
                return {**none, "wait": wait, "reason": reason}
            verdict = kit.engine.verify(subjects, operation=operation)
        except RunbookError as error:
            return {**none, "reason": said(error)}
        shown = {"state": verdict.state, "proof": verdict.proof, "reason": verdict.reason, "evidence": verdict.evidence}
        return {**none, **shown}

    # -- consumers

    def _deploy(self, effect: do.Deploy) -> Reply:
        state = self._look()
        sent = False

        def sending() -> None:
            nonlocal sent
            self._record_sending(effect.op)
            sent = True

        try:
            new = self._kit.credential(state.subjects[effect.slot].new_name)
            consumer = self._kit.inventory.consumers[effect.consumer]
            return consumers.deploy(self._kit, consumer, new, effect.op, sending)
        except RunbookError as error:
            return _failed(error, sent)

    def _watch(self, effect: do.Watch) -> Reply:
        subject = self._look().subjects[effect.slot]
        consumer = self._kit.inventory.consumers[effect.consumer]
        try:
            new = self._kit.credential(subject.new_name)
            admin = self._kit.admin(subject.slot, subject.provider)
            return consumers.watch(self._kit, consumer, new, admin, effect.since)
        except RunbookError as error:
            return {"stage": "stored", "proof": "none", "reason": said(error), "evidence": {}}

    # -- searching, testing, writing

    def _scan(self, effect: do.Scan) -> Reply:
        from runbook_tui.conductor.scanning import search

        values: list[tuple[str, Secret]] = []
        try:
            subject = self._look().subjects.get(effect.slot)
            if subject is not None and (subject.has_secret or not effect.rules):
                credential = self._kit.credential(subject.name)
                values.append((credential.name, consumers.value_of(credential)))
            return search(self._kit, values, effect.repositories, effect.rules, self._progress, self.stopped.is_set)
        except RunbookError as error:
            return {"error": said(error)}

    def _deliver(self, effect: do.Deliver) -> Reply:
        from runbook_tui.conductor.benching import try_endpoint

        return try_endpoint(self._kit, effect.endpoint, self._progress, self.stopped.is_set)

    def _export(self, effect: do.Export) -> Reply:
        content = self._report().encode()
        path = self._kit.folder / "report.md"
        try:
            write_atomic(path, content)
        except OSError as error:
            raise RunbookError(
                f"cannot write {path}: {error.strerror}", "`runbook report` writes it elsewhere"
            ) from None
        return {"path": str(path), "sha256": hashlib.sha256(content).hexdigest()}


def _learned(subject: Subject, outcome: CallOutcome) -> dict[str, Any] | None:
    """What the answer told about the credential that was not known before."""
    told = outcome.learned
    if told is None:
        return None
    attributes = {name: text for name, text in told.attributes.items() if subject.attributes.get(name) != text}
    if not attributes and told.key_id in ("", subject.key_id):
        return None
    return {"key_id": told.key_id, "attributes": attributes}


def _failed(error: RunbookError, sent: bool) -> dict[str, Any]:
    """A refusal on our side: provably nothing was sent, or nobody knows."""
    result = "unknown" if sent else "not_sent"
    nothing: dict[str, Any] = {"status": None, "outputs": {}, "evidence": {}, "new": None, "stage": "failed"}
    return {**nothing, "result": result, "reason": said(error)}


def said(error: RunbookError) -> str:
    """What a step says of an error; of a keyring's also the way on that there is in a running incident."""
    if isinstance(error, VaultError) and error.reason and error.reason != "too_large":
        again = "run the step again when it is back, or `runbook resume --vault session` and type the secrets in"
        return f"{error.message}: {again}"
    return error.message
