"""What the planted set is made of: places with their expected answers, and histories made by one `git fast-import`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from git_builder import VALUE, Repo

NAME = VALUE.replace("/", "-")  # a value that can stand in a file name
TEXT, NAMED = "stdin:1", "stdin:2"  # what the command calls the two values


@dataclass
class Place:
    """One place, and what the scan has to say about it."""

    name: str
    kind: str  # must | stretch | absent
    repo: str
    object: str = ""  # hex; empty for a file of the git directory, and for what is absent
    type: str = "blob"
    form: str = "raw"
    line: int = 2
    paths: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    remotes: list[str] = field(default_factory=list)
    reachable: str = "ref"
    credential: str = TEXT
    gap: str = ""  # absent: what has to stand under not_scanned


FACTS = ("type", "line", "paths", "refs", "remotes", "reachable")


def wrong(place: Place, hits: list[dict[str, Any]]) -> list[str]:
    """What the hits of the place's repository have wrong about it; empty when all is right."""
    if place.type == "file":
        here = [hit for hit in hits if hit["type"] == "file" and hit["paths"] == place.paths]
    else:
        here = [hit for hit in hits if hit["object"] == place.object]
    here = [hit for hit in here if (hit["credential"], hit["form"]) == (place.credential, place.form)]
    if not here:
        return ["not found"]
    if place.type == "file":
        return []
    problems = []
    hit = here[0]
    for name in FACTS:
        if hit[name] != getattr(place, name):
            problems.append(f"{name} is {hit[name]!r}, should be {getattr(place, name)!r}")
    for name in ("first", "last"):
        said, meant = [mark["commit"] for mark in hit[name]], getattr(place, name)
        if sorted(said) != sorted(meant):
            problems.append(f"{name} is {said}, should be {meant}")
    return problems


def text(name: str, value: str = VALUE) -> bytes:
    """A file no other place has, with the value on its second line."""
    return f"# {name}\nx = {value}\n".encode()


def blob_name(content: bytes, algorithm: str = "sha1") -> str:
    return hashlib.new(algorithm, b"blob %d\0" % len(content) + content).hexdigest()


def blob_place(name: str, content: bytes, paths: str | list[str] = "", repo: str = "main", **facts: Any) -> Place:
    """A place in a file's content; SHA-1."""
    listed = [paths] if isinstance(paths, str) and paths else list(paths)
    return Place(name, "must", repo, blob_name(content), paths=listed, **facts)


class Import:
    """A stream for `git fast-import`: commits one minute apart, on any refs, with any parents."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._stream = bytearray()
        self._marks: dict[str, int] = {}
        self.names: dict[str, str] = {}  # mark name -> object name, after `run`

    def commit(
        self,
        mark: str,
        ref: str,
        files: dict[str, bytes | None],
        parents: tuple[str, ...] = (),
        message: bytes = b"work",
        mode: str = "100644",
    ) -> str:
        """`files` change what the first parent has; None removes. Without parents it is a root."""
        self._repo.clock += 60
        who = b"Ada <ada@example.com> %d +0000\n" % self._repo.clock
        self._marks[mark] = len(self._marks) + 1
        if not parents:
            self._line(f"reset {ref}\n")
        self._line(f"commit {ref}\nmark :{self._marks[mark]}\n")
        self._stream += b"author " + who + b"committer " + who
        self._data(message)
        for position, parent in enumerate(parents):
            self._line(f"{'merge' if position else 'from'} :{self._marks[parent]}\n")
        for path, content in files.items():
            if content is None:
                self._line(f"D {path}\n")
            else:
                self._line(f"M {mode} inline {path}\n")
                self._data(content)
        return mark

    def run(self) -> dict[str, str]:
        marks = self._repo.path / ".git" / "planted-marks"
        command = [
            "-c",
            "fastimport.unpackLimit=100000",
            "fast-import",
            "--quiet",
            "--force",
            f"--export-marks={marks}",
        ]
        self._repo.git(*command, data=bytes(self._stream))
        listed = dict(line.split() for line in marks.read_text().splitlines())
        marks.unlink()
        self.names = {mark: listed[f":{number}"] for mark, number in self._marks.items()}
        return self.names

    def _line(self, line: str) -> None:
        self._stream += line.encode()

    def _data(self, content: bytes) -> None:
        self._stream += b"data %d\n" % len(content) + content + b"\n"
