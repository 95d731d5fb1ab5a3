"""A value that must not be seen.

`expose` and `expose_bytes` are the only ways out; a test keeps the rooms that decide or draw from calling them.
"""

from __future__ import annotations

import hmac
from typing import Any, NoReturn

from runbook_tui.foundation.errors import RunbookError

_SHOWN = "<secret>"


class Secret:
    """Holds a secret value and shows `<secret>` everywhere else.

    It does not print, format, pickle, hash or serialise its value, and it compares in constant time. An empty value and
    text that is not valid Unicode are refused (RunbookError).
    """

    __slots__ = ("_value",)
    _value: bytes
    # Two secrets are equal when their values are, and a hash of the value would be a bare hash of a secret.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str | bytes) -> None:
        raw = value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
        # Compared afterwards, because a UnicodeEncodeError would carry the whole value out with it.
        if isinstance(value, str) and raw.decode("utf-8") != value:
            value, raw = "", b""
            raise RunbookError("the secret is not valid Unicode text", "paste it again")
        if not raw:
            raise RunbookError("the secret is empty", "paste or type the value")
        object.__setattr__(self, "_value", raw)

    def expose(self) -> str:
        """The value as text; RunbookError when it is not UTF-8."""
        text = self._value.decode("utf-8", "replace")
        if text.encode("utf-8") != self._value:
            text = ""
            raise RunbookError("the secret is not UTF-8 text", "this place needs text: store the value again as text")
        return text

    def expose_bytes(self) -> bytes:
        """The value as bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return _SHOWN

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret has no state to hand out")
