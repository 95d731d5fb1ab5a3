"""A simulated provider: everything it does is read from the manifest that the real one is called by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runbook_tui.drill import forge, reply
from runbook_tui.drill.estate import Entry, Estate, Key, LogEntry
from runbook_tui.drill.inversion import put
from runbook_tui.drill.matching import Incoming, Values, matching, presented
from runbook_tui.drill.reply import Reply
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.providers.manifest import Effect, Manifest, Operation

_CANNOT_SIGN = ("sigv4", "oauth2_client_credentials")


def check_imitable(manifest: Manifest) -> None:
    """RunbookError when this provider's way to sign or to answer is beyond the simulator."""
    styles = {manifest.auth[name].style for name in manifest.identities.values()}
    wrong = sorted(styles & set(_CANNOT_SIGN))
    if wrong or any(operation.answer == "xml" for operation in manifest.operations.values()):
        why = wrong[0] if wrong else "XML answers"
        raise RunbookError(f"the drill cannot imitate {manifest.name} ({why})", "pick another scenario")


class Vendor:
    """One provider over the shared estate. The caller holds the estate's lock."""

    def __init__(self, manifest: Manifest, estate: Estate) -> None:
        check_imitable(manifest)
        self.manifest = manifest
        self.estate = estate

    def handle(self, origin: str, incoming: Incoming) -> Reply:
        """The answer to one request below `origin`."""
        found = list(matching(self.manifest, origin, incoming))
        if not found:
            return reply.failed(self.manifest, 404, "no such resource")
        # One address may serve several operations: a change, or reads whose answers are laid over each other.
        operation, values = next(((one, given) for one, given in found if one.effects), found[0])
        key: Key | None = None
        if (secret := presented(self.manifest, operation, incoming)) != "":
            key = self.estate.by_secret(self.manifest.id, secret) if secret else None
            if (limited := self._limited(operation, key)) is not None:
                return limited
            if key is None or not self.estate.accepts(key):
                return reply.refused(self.manifest, operation)
            key.used = self.estate.now
            if operation.identity == "admin" and key.role != "admin":
                return reply.failed(self.manifest, 403, "this key has no administrative rights")
        if operation.effects:
            return self._change(operation, values, key)
        return self._read([one for one, _ in found], values, key)

    def dashboard(self, operation_id: str) -> Key | None:
        """Do what a person would do by hand; the new key when the operation makes one."""
        operation = self.manifest.operations.get(operation_id)
        if operation is None or operation.manual is None:
            raise RunbookError(f"the dashboard of {self.manifest.name} has no {operation_id!r}")
        base = next((key for key in self.estate.at(self.manifest.id) if key.role == "leaked"), None)
        targets = [base] if base is not None and base.state == "alive" else []
        made = self._apply(operation, targets, base, {})
        self._log(operation.id, "us (dashboard)", made or base)
        return made

    def _limited(self, operation: Operation, key: Key | None) -> Reply | None:
        if not operation.min_interval:
            return None
        who = key.attributes.get(operation.per, key.name) if key is not None else "unknown"
        limit = f"{self.manifest.id}:{operation.id}:{who}"
        last = self.estate.limits.get(limit)
        if last and self.estate.time() < parse_instant(last) + timedelta(seconds=operation.min_interval):
            return reply.failed(self.manifest, 429, "rate limit exceeded")
        self.estate.limits[limit] = self.estate.now
        return None

    # -- reads ---------------------------------------------------------------------------------------------------------

    def _read(self, operations: list[Operation], values: Values, key: Key | None) -> Reply:
        if "args.path" in values and _entry_name(values) not in self.estate.entries:
            return reply.failed(self.manifest, 404, "no such entry")
        answer = reply.accepted(self.manifest, operations[0])
        for operation in operations:
            if operation.items:
                return Reply(answer.status, self._list(operations, values), answer.headers)
            about = self._about(values, key)
            if about is None or about.state == "dead":
                gone = reply.unknown_here(self.manifest, operation)
                if gone is not None:
                    return gone
            if answer.status < 300:
                answer.body = self._one(operation, answer.body, values, about)
        if answer.status < 300 and answer.body is None:
            answer.body = {}
        return answer

    def _about(self, values: Values, key: Key | None) -> Key | None:
        if any(name.startswith("credential.") for name in values):
            return next(iter(self._targets(values)), None)
        return key

    def _one(self, operation: Operation, body: Any, values: Values, about: Key | None) -> Any:
        entry = self.estate.entries.get(_entry_name(values))
        if entry is not None:
            return reply.show(self.manifest, operation, body, {"version": entry.version, "updated_at": entry.updated})
        if about is None:
            return body
        return reply.show(self.manifest, operation, body, reply.key_facts(self.manifest, operation, about))

    def _list(self, operations: list[Operation], values: Values) -> Any:
        first = operations[0]
        rows: list[Any] = []
        if first.id.startswith("audit"):
            start = reply.since(self.estate, values.get("args.since"))
            for number, entry in enumerate(self.estate.log, 1):
                if entry.provider == self.manifest.id and (start is None or parse_instant(entry.at) >= start):
                    facts = reply.log_facts(self.manifest, entry, number)
                    rows.append(reply.show(self.manifest, first, None, facts))
        elif any(one.id in ("inspect", "inventory", "state") for one in operations):
            for key in self.estate.at(self.manifest.id):
                if key.state != "dead" and key.role != "admin":
                    rows.append(self._row(operations, key))
        return reply.listed(first, rows)

    def _row(self, operations: list[Operation], key: Key) -> Any:
        row: Any = None
        for operation in operations:
            row = reply.show(self.manifest, operation, row, reply.key_facts(self.manifest, operation, key))
        return row

    # -- changes -------------------------------------------------------------------------------------------------------

    def _change(self, operation: Operation, values: Values, key: Key | None) -> Reply:
        manifest = self.manifest
        if any(effect.verb == "store" for effect in operation.effects):
            return self._store(operation, values)
        targets = self._targets(values)
        named = any(name.startswith("credential.") for name in values)
        if not named and key is not None:
            targets = [key]
        about_key = any(effect.target == "credential" and effect.verb != "create" for effect in operation.effects)
        gone = not [one for one in targets if one.state != "dead"]
        if about_key and gone:
            if operation.already_done is not None:
                return reply.already(operation.already_done, manifest)
            return reply.failed(manifest, 404, "no such key")
        made = self._apply(operation, targets, targets[0] if targets else key, values)
        self._log(operation.id, key.name if key is not None else "us", made or (targets[0] if targets else key))
        answer = reply.accepted(manifest, operation)
        shown = made or (targets[0] if targets else None)
        if shown is not None:
            facts = reply.key_facts(manifest, operation, shown)
            answer.body = reply.show(manifest, operation, answer.body, facts)
        if made is not None and operation.new is not None:
            answer.body = _with_secret(operation, answer.body, made)
        return answer

    def _targets(self, values: Values) -> list[Key]:
        """The keys that the request's facts about a credential fit; none when it states none."""
        stated = {
            name.partition(".")[2]: str(value) for name, value in values.items() if name.startswith("credential.")
        }
        if not stated:
            return []
        keys = (key for key in self.estate.at(self.manifest.id) if key.role != "admin")
        return [key for key in keys if all(key.fits(fact, value) for fact, value in stated.items())]

    def _apply(self, operation: Operation, targets: list[Key], base: Key | None, values: Values) -> Key | None:
        made: Key | None = None
        before = [key for key in self.estate.at(self.manifest.id) if key.role != "admin"]
        for effect in operation.effects:
            if effect.verb in ("create", "rotate") and effect.target != "derived":
                made = self._make(operation, base, values)
                if effect.verb == "rotate" or self.manifest.overlap == "none":
                    self._end(before, "dead")
            elif rule := _ENDS.get(effect.verb):
                self._end(before if effect.target == "previous" else targets if _hits(effect) else [], rule)
            elif effect.verb == "restore" and _hits(effect):
                for key in targets:
                    key.state, key.ended = ("alive", "") if key.state == "disabled" else (key.state, key.ended)
        return made

    def _end(self, keys: list[Key], state: str) -> None:
        for key in keys:
            if key.state != "dead":
                # A key that was switched off does not work again because it is deleted.
                key.state, key.ended = state, key.ended or self.estate.now

    def _make(self, operation: Operation, base: Key | None, values: Values) -> Key:
        estate = self.estate
        estate.made += 1
        label = f"{self.manifest.id}:made:{estate.made}"
        attributes = dict(base.attributes) if base is not None else {}
        if operation.new is not None:
            for name in operation.new.attributes:
                attributes[name] = f"{name.split('_')[0]}-{forge.text(estate.seed, f'{label}:{name}', 8).lower()}"
        identified = operation.new is not None and bool(operation.new.key_id)
        made = Key(
            provider=self.manifest.id,
            name=str(values.get("args.name") or f"new key {estate.made}"),
            secret=forge.key_value(self.manifest, base.kind if base is not None else "", estate.seed, label),
            id=f"key_{forge.text(estate.seed, f'{label}:id', 12).lower()}" if identified else "",
            role="created",
            kind=base.kind if base is not None else "",
            created=estate.now,
            owner=base.owner if base is not None else "",
            scopes=list(base.scopes) if base is not None else [],
            attributes=attributes,
        )
        estate.keys.append(made)
        return made

    def _store(self, operation: Operation, values: Values) -> Reply:
        name, entries = _entry_name(values), self.estate.entries
        entry = entries.get(name)
        assert operation.request is not None
        if operation.request.method == "PATCH" and entry is None:
            return reply.failed(self.manifest, 404, "no such entry")
        if operation.request.method == "POST" and entry is not None and _only_new(operation):
            return reply.failed(self.manifest, 400, "check-and-set parameter did not match the current version")
        wanted = values.get("args.cas")
        if wanted is not None and wanted != (entry.version if entry else 0):
            return reply.failed(self.manifest, 400, "check-and-set parameter did not match the current version")
        entry = entries.setdefault(name, Entry({}, 0, ""))
        entry.data[str(values.get("args.field", "value"))] = str(values["new.secret"])
        entry.version, entry.updated = entry.version + 1, self.estate.now
        answer = reply.accepted(self.manifest, operation)
        facts = {"version": entry.version, "updated_at": entry.updated}
        answer.body = reply.show(self.manifest, operation, answer.body, facts)
        return answer

    def _log(self, call: str, actor: str, key: Key | None) -> None:
        shown = key.id if key is not None else ""
        self.estate.log.append(LogEntry(self.manifest.id, self.estate.now, actor, call, shown, "127.0.0.1"))


_ENDS: dict[str, str] = {"revoke": "dead", "offboard": "dead", "disable": "disabled"}


def _hits(effect: Effect) -> bool:
    return effect.target == "credential"


def _entry_name(values: Values) -> str:
    return "/".join(str(values[name]) for name in ("args.mount", "args.path") if name in values)


def _only_new(operation: Operation) -> bool:
    """Whether the request says that there must be no version yet."""
    body = operation.request.json if operation.request is not None else None
    options = body.get("options") if isinstance(body, dict) else None
    return isinstance(options, dict) and options.get("cas") == 0


def _with_secret(operation: Operation, body: Any, made: Key) -> Any:
    assert operation.new is not None
    body = put(operation.new.secret, body, made.secret)
    if operation.new.key_id and made.id:
        body = put(operation.new.key_id, body, made.id)
    for name, query in operation.new.attributes.items():
        body = put(query, body, made.attributes[name])
    return body
