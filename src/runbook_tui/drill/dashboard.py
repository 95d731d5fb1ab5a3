"""The ways to the simulator: the drill's network, and the dashboard a person would open in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.clock import Clock, RealClock, iso
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import write_atomic
from runbook_tui.net.client import Answer, NetFault, Network, Request
from runbook_tui.secrets.secret import Secret

_FILE = "dashboard.json"


class DrillNetwork(Network):
    """The guarded client of a drill: reaches one address alone, and says with each request what time it is."""

    def __init__(self, address: tuple[str, int], clock: Clock) -> None:
        super().__init__(only=address)
        self._clock = clock

    def send(
        self,
        request: Request,
        origins: Iterable[str],
        *,
        deadline: float = 60.0,
        before_first_byte: Callable[[], None] | None = None,
        max_bytes: int = 1 << 20,
        private: bool = False,
        ca_file: str | None = None,
    ) -> Answer:
        """As `Network.send`."""
        timed = replace(request, headers=[*request.headers, ("Drill-Time", iso(self._clock.now()))])
        return super().send(
            timed,
            origins,
            deadline=deadline,
            before_first_byte=before_first_byte,
            max_bytes=max_bytes,
            private=private,
            ca_file=ca_file,
        )


@dataclass(frozen=True)
class Pass:
    """What opens the dashboard of a running drill; kept in a private file in the drill's folder."""

    port: int
    control: str
    provider: str = ""

    @property
    def url(self) -> str:
        """The dashboard's address, for a browser or curl on this machine."""
        return f"http://127.0.0.1:{self.port}/dashboard/{self.control}"

    def save(self, folder: Path) -> None:
        write_atomic(folder / _FILE, json.dumps(asdict(self)).encode(), 0o600)

    @classmethod
    def load(cls, folder: Path) -> Pass:
        """The pass of the drill in `folder`; RunbookError when there is none."""
        try:
            return cls(**strict_json.loads((folder / _FILE).read_bytes()))
        except (OSError, ValueError, TypeError):
            raise RunbookError(f"there is no running drill in {folder}", "`runbook resume` starts it again") from None


@dataclass(frozen=True)
class Seen:
    """What one sees by looking at the world itself."""

    made: int  # keys that the provider made since the start
    sources: dict[str, str]  # consumer -> leaked | other | none: what the place holds where it takes its key from


def look(way: Pass, network: Network | None = None) -> Seen:
    """Look at the provider's list and at every consumer's place; RunbookError when the simulator does not answer."""
    told = _ask(way, "GET", "state", b"", network)
    return Seen(int(told["made"]), dict(told["sources"]))


def press(way: Pass, operation: str, network: Network | None = None) -> Secret:
    """Do `operation`, one of the provider's manual ones, in the simulated dashboard; the new secret it shows.

    Works from any process of the same user (`Pass.load`). RunbookError when there is no such button, or nobody there.
    """
    body = json.dumps({"provider": way.provider, "operation": operation}).encode()
    told = _ask(way, "POST", "dashboard", body, network)
    if "secret" not in told:
        raise RunbookError(f"{operation} shows no secret", "see `runbook provider show`")
    return Secret(told["secret"])


def _ask(way: Pass, method: str, what: str, body: bytes, network: Network | None) -> dict[str, Any]:
    base = f"http://127.0.0.1:{way.port}/control"
    request = Request(method, f"{base}/{what}", [("Drill-Control", way.control)], body)
    try:
        answer = (network or DrillNetwork(("127.0.0.1", way.port), RealClock())).send(request, [base], deadline=10)
    except NetFault as fault:
        hint = "`runbook resume` starts it again"
        raise RunbookError(f"the simulator does not answer: {fault.message}", hint, exit_code=Exit.INCOMPLETE) from None
    told: dict[str, Any] = json.loads(answer.body)
    if answer.status != 200:
        raise RunbookError(str(told.get("error", "the simulator refuses")), "see `runbook provider show`")
    return told
