"""Every provider that is known here: the shipped ones and the workspace's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import load_file
from runbook_tui.providers.loader import load_manifest
from runbook_tui.providers.manifest import Manifest

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret


class Catalogue:
    """Manifests by id."""

    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self._manifests = dict(sorted(manifests.items()))

    @classmethod
    def load(cls, extra_folders: Iterable[Path] = ()) -> Catalogue:
        """The shipped manifests and those in `extra_folders`; an own one hides a shipped one of the same id.

        It cannot change where that provider's credentials go: a file in a repository must not redirect secrets that
        were stored for the shipped one. Raises InputProblems with the mistakes of every file.
        """
        manifests: dict[str, Manifest] = {}
        problems: list[Problem] = []
        for folder in [shipped("providers", "catalog"), *extra_folders]:
            seen: dict[str, str] = {}
            for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
                try:
                    document = load_file(path)
                    manifest = load_manifest(document)
                except InputProblems as error:
                    problems += error.problems
                    continue
                if manifest.id in seen:
                    problems.append(document.problem(("id",), f"{seen[manifest.id]} has the id {manifest.id!r} too"))
                seen[manifest.id] = path.name
                if manifest.id in manifests and manifests[manifest.id].origins != manifest.origins:
                    message = f"the origins of {manifest.id!r} differ from the shipped ones"
                    hint = "give the manifest an id of its own, or bind an address to the credential (--origin)"
                    problems.append(document.problem(("origins",), message, hint))
                manifests[manifest.id] = manifest
        if problems:
            raise InputProblems(problems)
        return cls(manifests)

    def ids(self) -> list[str]:
        """All provider ids, sorted."""
        return list(self._manifests)

    def get(self, provider: str) -> Manifest:
        """The manifest of that id; RunbookError when there is none."""
        if provider in self._manifests:
            return self._manifests[provider]
        close = difflib.get_close_matches(provider, self.ids(), 1, 0.6)
        hint = f"did you mean {close[0]}? " if close else ""
        raise RunbookError(f"there is no provider {provider!r}", f"{hint}known: {', '.join(self.ids())}")

    def operation_names(self) -> frozenset[str]:
        """Every operation name that some manifest knows."""
        return frozenset(name for manifest in self._manifests.values() for name in manifest.operations)

    def shapes(self) -> list[tuple[str, str]]:
        """(what, RE2 of the whole value) of every secret that is known by its prefix; public ids are none."""
        return [
            (f"{manifest.name} {kind.id}", kind.pattern)
            for manifest in self._manifests.values()
            for kind in manifest.kinds
            if kind.pattern and kind.prefixes and not kind.id.endswith(" id")
        ]

    def formats(self) -> list[tuple[str, str, str, tuple[str, ...], str]]:
        """(provider id, title, RE2 of the whole value, its public prefixes, source) of every secret that can be found.

        A prefix of two characters is that of too many names in programs to be looked for.
        """
        return [
            (manifest.id, f"{manifest.name} {kind.id}", kind.pattern, kind.prefixes, manifest.source)
            for manifest in self._manifests.values()
            for kind in manifest.kinds
            if kind.pattern and min(map(len, kind.prefixes), default=0) > 2 and not kind.id.endswith(" id")
        ]

    def recognise(self, value: Secret) -> list[tuple[str, str]]:
        """The (provider id, kind) pairs whose values look like this one, the longest prefix first."""
        import re2

        text = value.expose()
        found: list[tuple[int, str, str]] = []
        for manifest in self._manifests.values():
            for kind in manifest.kinds:
                prefix = max((len(p) for p in kind.prefixes if text.startswith(p)), default=0)
                # A pattern without any prefix fits too many values to be a hint.
                if prefix and (not kind.pattern or re2.fullmatch(kind.pattern, text)):
                    found.append((-prefix, manifest.id, kind.id))
        return [(provider, kind) for _, provider, kind in sorted(found)]
