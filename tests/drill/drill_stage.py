"""A built world, its engine and its clock."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_tui.drill.world import World
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.vault import Credential


@dataclass
class Stage:
    """A world with everything that a run would put around it."""

    world: World
    clock: FakeClock
    engine: Engine
    catalogue: Catalogue

    def credential(self, name: str) -> Credential:
        return next(one for one in self.world.credentials if one.name == name)

    @property
    def subjects(self) -> dict[str, Credential]:
        found = {"credential": self.credential(self.world.inputs["leaked"])}
        for name in self.world.admins.values():
            found["admin"] = self.credential(name)
        return found
