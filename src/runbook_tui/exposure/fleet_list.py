"""The list of a fleet: one repository a line, a path or a URL, each checked before anything is started."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.text import one_line, plain

_MAX_LIST = 16 << 20  # bytes of the list
SCHEMES = ("https", "ssh", "file")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")  # git would start a program of that name
_SCP = re.compile(r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^-].*)")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\\"'`$<>|;&]")


@dataclass(frozen=True, slots=True)
class Source:
    """One repository of the list. `text` is how it is shown and known again; `url` is empty for a path."""

    text: str
    url: str = ""
    path: str = ""


def read_list(path: Path) -> list[Source]:
    """The repositories that `path` lists, each once. Empty lines and lines that begin with # say nothing.

    A relative path starts at the list's folder. RunbookError when the file cannot be read; InputProblems names every
    line that is neither a path nor a URL that is safe to hand to git.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_LIST + 1)
    except OSError as error:
        raise RunbookError(
            f"{plain(str(path))} cannot be read: {(error.strerror or 'unreadable').lower()}",
            "name a file that lists one repository a line",
        ) from None
    if len(content) > _MAX_LIST:
        raise RunbookError(f"{plain(str(path))} is larger than 16 MiB", "list one repository a line")
    found: dict[str, Source] = {}
    problems = []
    for number, line in enumerate(os.fsdecode(content).splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        try:
            source = parse(said, path.absolute().parent)
        except RunbookError as error:
            problems.append(Problem(str(path), number, 1, error.message, error.hint))
        else:
            found.setdefault(source.text, source)
    if problems:
        raise InputProblems(problems)
    if not found:
        raise RunbookError(f"{plain(str(path))} lists no repository", "write one repository a line: a path or a URL")
    return list(found.values())


def parse(said: str, folder: Path) -> Source:
    """One line as a Source; `folder` is where a relative path starts. RunbookError says what is wrong with it."""
    if said.startswith("-"):
        raise RunbookError("a line that begins with a dash", "write ./-name for a folder of that name")
    if _HELPER.match(said):
        raise RunbookError("git would start a program for this address", _ways())
    if "://" in said:
        return Source(said, _checked(said))
    if _SCP.fullmatch(said):
        if _UNSAFE.search(said):
            raise RunbookError("an address with spaces, quotes or control characters", _ways())
        return Source(said, said)
    if "\0" in said:
        raise RunbookError("a path with a NUL in it", "write the path as the file system has it")
    path = os.path.normpath(folder / Path(said).expanduser())
    return Source(path, path=path)


def scheme(url: str) -> str:
    """The protocol git would use for an address that `parse` let through."""
    return url.partition("://")[0].lower() if "://" in url else "ssh"


def _checked(url: str) -> str:
    if _UNSAFE.search(url):
        raise RunbookError("an address with spaces, quotes or control characters", _ways())
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RunbookError("an address that cannot be read", _ways()) from None
    if parts.scheme not in SCHEMES:
        raise RunbookError(f"{one_line(parts.scheme, 20)} is no way to fetch a repository here", _ways())
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        # The address would stand in git's arguments, where every process of this machine reads it.
        raise RunbookError("an address with a user or password in it", "use ssh with an agent, or a path to a clone")
    if parts.query or parts.fragment:
        raise RunbookError("an address with a query or fragment", _ways())
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise RunbookError("file:// needs an absolute path and no host", "write file:///srv/git/x.git")
        return url
    if not _HOST.fullmatch(parts.hostname or "") or (parts.username and not _USER.fullmatch(parts.username)):
        raise RunbookError("an address without a usable host or user name", _ways())
    if port == 0 or len(parts.path) < 2 or parts.path.startswith("/-"):
        raise RunbookError("an address without a usable path or port", _ways())
    return url


def _ways() -> str:
    return "write a path, https://…, ssh://…, file:///… or user@host:path"
