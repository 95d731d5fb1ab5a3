"""What the scan's process is asked to do: one request, read from its line, and done. See `child` for the protocol."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.exposure.again import Place
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret

if TYPE_CHECKING:
    from runbook_tui.exposure.model import ScanResult
    from runbook_tui.exposure.rulefile import Rule
    from runbook_tui.exposure.ruleset import RuleSet

_OWN = ("examples", "counterexamples", "source", "checked_on")  # of the file, not of the search


@dataclass(frozen=True)
class ByRules:
    """Rules to find credentials by, the most specific first, and the key that findings are fingerprinted under.

    `cache` is a folder where compiled rules are kept under that key.
    """

    rules: Sequence[Rule]
    key: bytes
    cache: Path | None = None

    def data(self) -> dict[str, Any]:
        """As it travels to the child."""
        shown = [{name: part for name, part in asdict(rule).items() if name not in _OWN} for rule in self.rules]
        return {"rules": shown, "key": self.key.hex(), "cache": str(self.cache) if self.cache else ""}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> ByRules:
        """What `data` made; ValueError, KeyError or TypeError for anything else."""
        from runbook_tui.exposure.rulefile import Rule

        known = {field.name for field in fields(Rule)}
        rules = []
        for one in data["rules"]:
            given: dict[str, Any] = {
                name: tuple(part) if isinstance(part, list) else part for name, part in one.items() if name in known
            }
            rules.append(Rule(**given))
        return cls(rules, bytes.fromhex(data["key"]), Path(data["cache"]) if data.get("cache") else None)

    def compiled(self) -> RuleSet:
        """The rules, ready to search with."""
        from runbook_tui.exposure.rulecache import RuleCache
        from runbook_tui.exposure.ruleset import RuleSet

        return RuleSet(self.rules, cache=RuleCache(self.cache, self.key) if self.cache else None)


@dataclass(frozen=True)
class Task:
    """One request: to scan, or (with `wanted`, a fingerprint) to read a found value again at `places`."""

    values: Sequence[tuple[str, Secret]] = ()
    repositories: Sequence[Path] = ()
    apart: bool = False
    by_rules: ByRules | None = None
    wanted: str = ""
    places: Sequence[Place] = ()

    def line(self) -> bytes:
        """The request as one line, for the child's standard input only: it holds the values."""
        request: dict[str, Any] = {
            "values": [{"credential": name, "value": secret.expose()} for name, secret in self.values],
            "repositories": [str(Path(path).absolute()) for path in self.repositories],
            "apart": self.apart,
        }
        if self.by_rules is not None:
            request |= self.by_rules.data()
        if self.wanted:
            request |= {"wanted": self.wanted, "places": [list(place) for place in self.places]}
        return json.dumps(request).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Task:
        """RunbookError when the line is no request. It holds secrets: nothing of it is repeated."""
        try:
            request = json.loads(line)
            return cls(
                [(str(item["credential"]), Secret(str(item["value"]))) for item in request["values"]],
                [Path(str(path)) for path in _listed(request["repositories"])],
                request.get("apart") is True,
                ByRules.read(request) if "rules" in request else None,
                str(request.get("wanted") or ""),
                [(str(one), str(two), str(three)) for one, two, three in request.get("places") or ()],
            )
        except (ValueError, KeyError, TypeError):
            raise RunbookError("the scan's request is not readable", "one JSON object on one line") from None

    def scan(
        self, repositories: Sequence[Path], progress: Callable[[dict[str, Any]], None], cancelled: Callable[[], bool]
    ) -> ScanResult:
        """The result of these repositories. Its git stays in this process's group."""
        if self.by_rules is None:
            from runbook_tui.exposure.scan import scan

            return scan(self.values, repositories, progress, cancelled, own_group=False)
        from runbook_tui.exposure.discovery import scan_by_rules

        known, key = self.by_rules.compiled(), self.by_rules.key
        return scan_by_rules(known, self.values, repositories, key, progress, cancelled, own_group=False)

    def value(self) -> dict[str, Any]:
        """`{"value": …}` in base64, or None, of the finding that is wanted."""
        from runbook_tui.exposure.again import seen_again

        assert self.by_rules is not None
        for rule in self.by_rules.rules:
            if (secret := seen_again(self.places, rule, self.wanted, self.by_rules.key)) is not None:
                return {"value": base64.b64encode(secret.expose_bytes()).decode("ascii")}
        return {"value": None}


def _listed(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise TypeError
    return items
