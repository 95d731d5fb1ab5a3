"""Inflating what git stores, bounded by the size it states: by libdeflate where it is there, else by zlib."""

from __future__ import annotations

import zlib
from collections.abc import Callable


class Broken(Exception):
    """The stored bytes are no zlib stream of the stated length."""


def _by_zlib(stored: bytes | memoryview, size: int) -> bytes:
    """The stream's content, which has to be of exactly `size` bytes; Broken when it is not."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(stored, size + 1)
    except zlib.error:
        raise Broken from None
    if len(data) != size or not stream.eof:
        raise Broken
    return data


def _chosen() -> Callable[[bytes | memoryview, int], bytes]:
    try:
        from deflate import DeflateError, zlib_decompress
    except ImportError:
        return _by_zlib

    def by_libdeflate(stored: bytes | memoryview, size: int) -> bytes:
        if not size:  # it would not look at the stream
            return _by_zlib(stored, 0)
        try:
            data = bytes(zlib_decompress(stored, size))
        except DeflateError:
            raise Broken from None
        if len(data) != size:
            raise Broken
        return data

    return by_libdeflate


inflate = _chosen()
