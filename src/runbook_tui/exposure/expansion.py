"""How much archives may unpack to: each archive, each archive inside one, and all of a repository together."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from contextvars import ContextVar
from mmap import mmap

MAX_BYTES = 1 << 30  # output of one file
MAX_RATIO = 250  # output to input; honest text and logs stay below 100
FREE = 16 << 20  # output that is allowed whatever the ratio
MAX_MEMBERS = 50_000
_ALL_RATIO = 50  # output to input of all archives of a repository together
_ALL_FREE = 1 << 30  # and what is allowed whatever that ratio
_MEMBER = 4 << 10  # what opening a member costs, in bytes of output


class Spent(Exception):
    """A limit is reached: nothing more is taken out of the archive that this budget is of."""

    def __init__(self, budget: Budget, why: str) -> None:
        super().__init__(why)
        self.budget = budget


class Account:
    """What the archives of one repository have left together; forked workers share it.

    Each archive pays in by its size before it is opened, up to a limit. So many small bombs end soon, and after them
    an ordinary archive is still opened whole: it pays in more than it takes.
    """

    def __init__(self) -> None:
        self._left = mmap(-1, 8)
        self._change(_ALL_FREE)

    def pay_in(self, size: int) -> None:
        self._change(size * _ALL_RATIO)

    def take(self, count: int) -> bool:
        """Whether so much was left."""
        return self._change(-count) >= 0

    def _change(self, by: int) -> int:
        # Two workers at once may lose one of their changes: it bounds the time, nothing else hangs on it.
        (left,) = struct.unpack("q", self._left[:])
        left = min(left + by, _ALL_FREE)
        self._left[:] = struct.pack("q", left)
        return int(left)


_account: ContextVar[Account | None] = ContextVar("account", default=None)


@contextlib.contextmanager
def one_account() -> Iterator[None]:
    """All archives that are opened inside, in forked processes too, share one `Account`."""
    token = _account.set(Account())
    try:
        yield
    finally:
        _account.reset(token)


class Budget:
    """What one archive may unpack to; what an archive inside takes is taken from those around it too."""

    def __init__(self, size: int, around: Budget | None = None) -> None:
        self._limit = min(MAX_BYTES, max(FREE, size * MAX_RATIO))
        self._out = 0
        self._members = 0
        self._around = around
        self._account = None if around else _account.get()
        if self._account is not None:
            self._account.pay_in(size)
        self.at = ""

    def member(self, name: str) -> None:
        """Count a member that is opened. Spent when there were too many."""
        self.at = name
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise Spent(self, f"more than {MAX_MEMBERS} members: the rest was not opened")
        self._common(_MEMBER)
        if self._around is not None:
            self._around.member(name)

    def took(self, count: int) -> None:
        """Count output. Spent when it is too much."""
        self._out += count
        if self._out > self._limit:
            raise Spent(self, f"unpacks to more than {self._limit >> 20} MiB: the rest was not opened")
        self._common(count)
        if self._around is not None:
            self._around.took(count)

    def _common(self, count: int) -> None:
        if self._account is not None and not self._account.take(count):
            raise Spent(self, "the repository's archives unpack to too much together: the rest of this was not opened")
