"""Checks a scheme's file field by field. Problems are collected, so that its author sees all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from runbook_tui.foundation.errors import Problem
from runbook_tui.foundation.strict_yaml import Document
from runbook_tui.foundation.text import one_line
from runbook_tui.webhooks.template import Statuses, Template

Place = tuple[str | int, ...]
_DAY = 86_400


class Checker:
    """Reads values out of `data`; what does not fit becomes a problem at its place, and a harmless stand-in."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def refuse(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(self._document.problem(place, message, hint))

    def mapping(self, place: Place, value: Any, required: Collection[str], optional: Collection[str]) -> dict[str, Any]:
        """`value` as a mapping with these fields and no others; empty when it is none."""
        if not isinstance(value, dict):
            self.refuse(place, f"must be a mapping with {', '.join(sorted(required or optional))}")
            return {}
        known = {*required, *optional}
        for name in value:
            if name not in known:
                self.refuse((*place, name), f"unknown field {one_line(str(name), 60)!r}",
                            f"known: {', '.join(sorted(known))}")  # fmt: skip
        for name in sorted(set(required) - set(value)):
            self.refuse(place, f"the field {name!r} is missing")
        return value

    def text(self, place: Place, data: Mapping[str, Any], name: str, default: str | None = None) -> str:
        value = data.get(name, default)
        if isinstance(value, str) and (value or default is not None):
            return value
        if name in data:
            self.refuse((*place, name), f"{name!r} must be text", "put it in quotes")
        return ""

    def choice(self, place: Place, data: Mapping[str, Any], name: str, known: Iterable[str], default: str) -> str:
        value, names = data.get(name, default), tuple(known)
        if isinstance(value, str) and value in names:
            return value
        if name in data:
            message = f"unknown {name} {one_line(str(value), 60)!r}"
            self.refuse((*place, name), message, f"known: {', '.join(names)}")
        return default

    def template(self, place: Place, value: Any, allowed: Iterable[str]) -> Template:
        try:
            if not isinstance(value, str) or not value.isascii():
                raise ValueError("a template is ASCII text")
            return Template.parse(value, allowed)
        except ValueError as error:
            self.refuse(place, f"not a template: {error}")
            return Template("", ())

    def templates(self, place: Place, value: Any, allowed: Iterable[str]) -> None:
        """Every text inside `value`, a body's data, must be a template."""
        known = tuple(allowed)
        if isinstance(value, dict):
            for name, inner in value.items():
                self.templates((*place, name), inner, known)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self.templates((*place, index), inner, known)
        elif isinstance(value, str):
            try:
                Template.parse(value, known)
            except ValueError as error:
                self.refuse(place, f"not a template: {error}")

    def seconds(self, place: Place, value: Any, most: int = _DAY) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            self.refuse(place, f"must be a number of seconds between 0 and {most}")
            return 0.0
        return float(value)

    def count(self, place: Place, data: Mapping[str, Any], name: str, most: int) -> int:
        value = data.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.refuse((*place, name), f"must be a whole number between 0 and {most}")
            return 0
        return value

    def flag(self, place: Place, data: Mapping[str, Any], name: str, default: bool) -> bool:
        value = data.get(name, default)
        if not isinstance(value, bool):
            self.refuse((*place, name), f"{name!r} is true or false")
            return default
        return value

    def names(self, place: Place, data: Mapping[str, Any], name: str, known: Iterable[str] | None) -> tuple[str, ...]:
        """A list of texts; with `known`, each must be one of those."""
        value = data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            self.refuse((*place, name), f"{name!r} must be a list of texts")
            return ()
        allowed = None if known is None else tuple(known)
        for index, entry in enumerate(value):
            if allowed is not None and entry not in allowed:
                message = f"unknown entry {one_line(entry, 60)!r} in {name!r}"
                self.refuse((*place, name, index), message, f"known: {', '.join(allowed)}")
        return tuple(value)

    def statuses(self, place: Place, data: Mapping[str, Any], name: str, default: Statuses) -> Statuses:
        if name not in data:
            return default
        try:
            return Statuses.parse(data[name])
        except ValueError as error:
            self.refuse((*place, name), f"{name!r} must be {error}")
            return default

    def day(self, place: Place, data: Mapping[str, Any], name: str) -> str:
        value = data.get(name, "")
        try:
            return date.fromisoformat(value).isoformat()
        except (TypeError, ValueError):
            if name in data:
                self.refuse((*place, name), f"{name!r} must be a day like 2026-11-22")
            return ""
