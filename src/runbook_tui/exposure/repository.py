"""Finding the parts of a repository by reading a few of its files ourselves: git directory, stores, remotes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_tui.exposure.config import Config, parse_config
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.reading import TooLarge, read_or_gap, read_small, walk
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.text import one_line, plain

_POINTER_LIMIT = 16 << 10
_CONFIG_LIMIT = 4 << 20
_ALTERNATES_LIMIT = 1 << 20
_ALTERNATES_DEPTH = 5  # git's own limit
_MAX_MODULES = 200
_UNFINISHED = ("tmp_", "incoming-")
_HEX_DIR = re.compile(r"[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository: where its parts are, and what its configuration says about reading it."""

    path: Path  # as it is shown
    common: Path  # the git directory all worktrees share
    config: Config

    @property
    def objects(self) -> Path:
        return self.common / "objects"

    @property
    def object_format(self) -> str:
        return self.config.object_format

    @property
    def name_size(self) -> int:
        """Bytes of an object's name: 20 (SHA-1) or 32 (SHA-256)."""
        return 32 if self.object_format == "sha256" else 20

    @property
    def bare(self) -> bool:
        return self.config.bare or self.common.name != ".git"

    def git_dirs(self) -> Iterator[tuple[str, Path]]:
        """The main git directory as "", then each linked worktree's as `worktrees/<name>/`."""
        yield "", self.common
        try:
            entries = sorted((self.common / "worktrees").iterdir())
        except OSError:
            return
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                yield f"worktrees/{entry.name}/", entry


def open_repository(path: Path) -> Repository:
    """The repository at `path`: a work tree, a linked worktree, a git directory or a bare repository.

    RunbookError with one clear line when there is none, or when it cannot be read.
    """
    shown = plain(str(path))
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - keeps the links of the path as the user wrote them
    try:
        if not absolute.exists():
            raise RunbookError(f"{shown}: there is no such folder", "name the folder that holds the repository")
        if not absolute.is_dir():
            raise RunbookError(f"{shown} is a file, not a repository", "name the folder that holds the repository")
        git_dir = _git_dir(absolute, shown)
        common = _common_dir(git_dir)
        if not (common / "objects").is_dir():
            raise RunbookError(
                f"{shown}: the repository is damaged: {plain(str(common / 'objects'))} is missing",
                "scan a fresh clone, or restore the folder from a backup",
            )
        _listing(common / "objects")
        config = parse_config(read_small(common / "config", _CONFIG_LIMIT) or b"")
        if config.object_format not in ("sha1", "sha256"):
            message = f"{shown} says its objects are of format {one_line(config.object_format, 40)}, which is not known"
            raise RunbookError(message, "scan a fresh clone", exit_code=Exit.INCOMPLETE)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise RunbookError(f"{shown} cannot be read: {reason}", "run this as a user who may read it") from None
    except ValueError:  # a NUL in a path
        raise RunbookError(f"{shown}: its git directory names a path that cannot exist", "scan a fresh clone") from None
    except TooLarge:
        raise RunbookError(f"{shown}: a file of its git directory is absurdly large", "scan a fresh clone") from None
    return Repository(absolute, common, config)


def _git_dir(path: Path, shown: str) -> Path:
    dot_git = path / ".git"
    if dot_git.is_dir():
        return dot_git
    pointer = read_small(dot_git, _POINTER_LIMIT)
    if pointer is not None:
        if not pointer.startswith(b"gitdir:"):
            raise RunbookError(f"{shown}: its .git file does not name a git directory", "scan a fresh clone")
        target = (path / os.fsdecode(pointer[7:].strip())).resolve()
        if not target.is_dir():
            raise RunbookError(
                f"{shown}: its .git file names {plain(str(target))}, which is not there",
                "scan the repository this worktree belongs to",
            )
        return target
    if (path / "objects").is_dir() and (path / "HEAD").exists():
        return path
    if (path / "commondir").exists() and (path / "HEAD").exists():
        return path
    above = next((parent for parent in path.parents if (parent / ".git").exists()), None)
    hint = f"it lies inside {plain(str(above))}: name that" if above else "name a folder with a .git in it"
    raise RunbookError(f"{shown} is not a git repository", hint)


def _common_dir(git_dir: Path) -> Path:
    pointer = read_small(git_dir / "commondir", _POINTER_LIMIT)
    if pointer is None:
        return git_dir
    return Path(os.path.normpath(git_dir / os.fsdecode(pointer.strip())))


def _listing(folder: Path) -> list[str]:
    """Names in a folder; OSError when it cannot be read."""
    return [path.name for path in folder.iterdir()]


def stores(repository: Repository, gaps: Gaps) -> list[Path]:
    """The object directory and all its alternates, each once; what cannot be read becomes a gap."""
    found: dict[str, Path] = {}
    pending = [(repository.objects, 0)]
    while pending:
        store, depth = pending.pop(0)
        try:
            key = os.path.realpath(store)
            if key in found:
                continue
            blocking = _check_store(store, gaps)
        except OSError as error:
            gaps.add(f"object store {store} (an alternate)", (error.strerror or "cannot be read").lower())
            continue
        except ValueError:  # a NUL in its name
            gaps.add(f"object store {store} (an alternate)", "a path that cannot exist")
            continue
        if blocking:
            gaps.add(f"object store {store}", f"{blocking} is a pipe or device, at which git would wait for ever")
            continue
        found[key] = store
        if depth < _ALTERNATES_DEPTH:
            pending += [(alternate, depth + 1) for alternate in _alternates(store, gaps)]
        elif _alternates(store, gaps):
            gaps.add(f"alternates of {store}", f"nested deeper than {_ALTERNATES_DEPTH}")
    return list(found.values())


def _alternates(store: Path, gaps: Gaps) -> list[Path]:
    content = read_or_gap(store / "info" / "alternates", _ALTERNATES_LIMIT, gaps, "the list of alternates")
    found = []
    for line in content.split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        if len(line) > 1 and line.startswith(b'"') and line.endswith(b'"'):
            path = re.sub(rb'\\(["\\])', rb"\1", line[1:-1])
        else:
            path = line
        found.append(Path(os.path.normpath(store / os.fsdecode(path))))
    return found


def _check_store(store: Path, gaps: Gaps) -> str:
    """Names what git would skip in silence: folders it may not read, packs without an index.

    Returns the name of a file that git would hang at, if there is one.
    """
    blocking = ""
    for folder in sorted(_listing(store)):
        if folder.startswith(_UNFINISHED):
            gaps.add(f"{store / folder}", "left by a git that was interrupted: its objects are not listed")
        if not (_HEX_DIR.fullmatch(folder) or folder in ("pack", "info")) or not (store / folder).is_dir():
            continue
        try:
            with os.scandir(store / folder) as listed:
                entries = list(listed)
        except OSError as error:
            gaps.add(f"objects in {store / folder}", (error.strerror or "cannot be read").lower())
            continue
        blocking = next((f"{folder}/{entry.name}" for entry in entries if _is_special(entry)), blocking)
        for name in sorted(entry.name for entry in entries if entry.name.startswith(_UNFINISHED)):
            gaps.add(f"{store / folder / name}", "left by a git that was interrupted: its objects are not listed")
        if folder == "pack":
            _check_packs({entry.name for entry in entries}, gaps)
    return blocking


def _is_special(entry: os.DirEntry[str]) -> bool:
    try:
        return not (entry.is_file() or entry.is_dir()) and Path(entry.path).exists()
    except OSError:
        return False


def _check_packs(names: set[str], gaps: Gaps) -> None:
    for name in sorted(names):
        stem, dot, kind = name.rpartition(".")
        if dot and kind == "pack" and f"{stem}.idx" not in names:
            gaps.add(f"pack {name}", "its index is missing")
        elif dot and kind == "idx" and f"{stem}.pack" not in names:
            gaps.add(f"pack {stem}.pack", "only its index is there")


def has_promisor_pack(directories: list[Path]) -> bool:
    """Whether a store holds a pack from a partial clone."""
    return any(
        name.endswith(".promisor")
        for store in directories
        if (store / "pack").is_dir()
        for name in _listing(store / "pack")
    )


def modules(repository: Repository, gaps: Gaps) -> list[Repository]:
    """The submodules whose repositories lie inside this one's git directory."""
    top = repository.common / "modules"
    found: list[Repository] = []
    for here, folders, files in walk(top):
        if "HEAD" not in files or "objects" not in folders:
            continue
        folders.clear()  # what lies deeper belongs to this one
        if len(found) >= _MAX_MODULES:
            gaps.add("submodules", f"more than {_MAX_MODULES}")
            break
        try:
            found.append(open_repository(here))
        except RunbookError as error:
            gaps.add(f"submodule {here.relative_to(top)}", error.message)
    return found
