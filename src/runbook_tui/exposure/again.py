"""Reading a found value again where a scan saw it: its result names the place and never holds the value."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.errors import RunbookError

if TYPE_CHECKING:
    from runbook_tui.exposure.rulefile import Rule
    from runbook_tui.secrets.secret import Secret

Place = tuple[str, str, str]  # repository, object (or empty), path: where the value stands as it is
_LARGEST_FILE = 64 << 20
_MOST_PLACES = 50


def places_of_finding(document: dict[str, Any], credential: str) -> list[Place]:
    """Where a scan's document says that this finding stands; a few of many, those where it is as it is first."""
    found = [
        (str(hit["form"]) != "raw", (str(one["path"]), str(hit["object"]), str((hit["paths"] or [""])[0])))
        for one in document["repositories"]
        for hit in one["hits"]
        if hit["credential"] == credential
    ]
    return [place for _, place in sorted(found, key=lambda one: one[0])[:_MOST_PLACES]]


def seen_again(places: Iterable[Place], rule: Rule, wanted: str, key: bytes) -> Secret | None:
    """The value with the fingerprint `wanted` (under `key`) at the first place that still has it; None: nowhere."""
    from runbook_tui.exposure.discovery import value_of

    for repository, name, path in places:
        try:
            data = _read(Path(repository), name, path)
        except (RunbookError, OSError, ValueError):  # moved, or cleaned up since: another place may still be there
            continue
        for text in data:
            if (secret := value_of(rule, text, wanted, key)) is not None:
                return secret
    return None


def _read(path: Path, name: str, inside: str) -> list[bytes]:
    """The object of that name, or a file of the git directory; in windows where it is large."""
    from runbook_tui.exposure.gitcall import SafeGit
    from runbook_tui.exposure.model import Gaps
    from runbook_tui.exposure.objects import open_objects, places_of
    from runbook_tui.exposure.reading import open_regular
    from runbook_tui.exposure.repository import open_repository, stores

    repository = open_repository(path)
    if not name:
        prefix = "" if repository.common == repository.path else repository.common.name + "/"  # as it was shown
        handle = open_regular(repository.common / inside.partition("!")[0].removeprefix(prefix), follow=False)
        if handle is None:
            return []
        with open(handle, "rb") as stream:  # noqa: PTH123 - a descriptor
            return [stream.read(_LARGEST_FILE)]
    gaps = Gaps()
    with SafeGit(stores(repository, gaps), repository.object_format, lambda: False, own_group=False) as git:
        objects = open_objects(git, 1 << 14, gaps)
        places = [place for place in places_of(objects, [bytes.fromhex(name)]) if place >= 0]
        failed = array("q")
        parts = objects.parts_of(places) if places else []
        found = [data for part in parts for place, _, data, _, _ in objects.pieces(part, failed) if place in places]
        return found + [data for part in objects.again(failed) for _, _, data, _, _ in objects.pieces(part, failed)]
