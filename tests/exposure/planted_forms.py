"""Every way of writing the value that the scan has to recognise: files of one folder of one commit."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import urllib.parse
import zipfile
from typing import NamedTuple

from git_builder import VALUE

RAW = VALUE.encode()
MIB = 1 << 20


class Written(NamedTuple):
    """The file's content, the form's name, the line, and whether a scanner without archive support can see it."""

    content: bytes
    form: str
    line: int = 2
    kind: str = "must"
    inner: str = ""  # the name inside an archive


def line(name: str, value: bytes) -> bytes:
    return f"# {name}\nkey = ".encode() + value + b"\n"


def written() -> dict[str, Written]:
    """File name -> what stands in it."""
    return dict((*_plain(), *_encoded(), *_large(), *_packed()))


def _plain() -> list[tuple[str, Written]]:
    padded = b"A" * 7
    return [
        ("text", Written(line("text", RAW), "raw")),
        ("windows-lines", Written(line("crlf", RAW).replace(b"\n", b"\r\n"), "raw")),
        ("no-line-end", Written(b"# end\n" + RAW, "raw")),
        ("only-the-value", Written(RAW, "raw", 1)),
        ("between-letters", Written(line("glued", padded + RAW + padded), "raw")),
        ("byte-order-mark", Written(b"\xef\xbb\xbf" + line("bom", RAW), "raw")),
        ("binary", Written(bytes(range(256)) + b"\n" + RAW + bytes(range(256)), "raw", 3)),
        ("allowed.py", Written(line("allow", b"'" + RAW + b"'  # gitleaks:allow nosec kingfisher:ignore"), "raw")),
        ("minified.js", Written(b"// one line\nvar a=[" + b"1," * MIB + b'"' + RAW + b'"]', "raw")),
        ("lockfile/package-lock.json", Written(line("ignored by many scanners", RAW), "raw")),
        ("image.png", Written(b"\x89PNG\r\n\x1a\n" + bytes(90) + RAW, "raw", 3)),
        ("id.pdf", Written(b"%PDF-1.4\n" + RAW, "raw")),
        ("utf-16le.ps1", Written(b"\xff\xfe" + line("wide", RAW).decode().encode("utf-16-le"), "utf-16le")),
        ("utf-16be.txt", Written(b"\xfe\xff" + line("wide", RAW).decode().encode("utf-16-be"), "utf-16be")),
    ]


def _encoded() -> list[tuple[str, Written]]:
    made = []
    for shift in range(3):
        user = b"user:"[: 3 + shift] if shift else b""  # 0, 4 and 5 bytes before: each of the three alignments
        plain, safe = base64.b64encode(user + RAW + b"?>"), base64.urlsafe_b64encode(user + b"?>?" + RAW + b"?>")
        made.append((f"base64-{shift}", Written(line(f"base64 {shift}", plain), "base64")))
        made.append((f"base64url-{shift}", Written(line(f"url {shift}", safe), _safe_form(safe, user + b"?>?"))))
    digits = RAW.hex()
    every = "".join(f"%{byte:02x}" for byte in RAW)
    escapes = "".join(f"\\x{byte:02x}" for byte in RAW)
    units = "".join(f"\\u{byte:04x}" for byte in RAW)
    made += [
        ("url", Written(line("url", urllib.parse.quote(VALUE, safe="").encode()), "url")),
        ("url-some", Written(line("url", VALUE.replace("+", "%2b").encode()), "url")),
        ("percent-lower", Written(line("percent", every.encode()), "url")),
        ("percent-upper", Written(line("percent", every.upper().encode()), "url")),
        ("hex-lower", Written(line("hex", digits.encode()), "hex")),
        ("hex-upper", Written(line("hex", digits.upper().encode()), "hex")),
        ("json-slash", Written(line("php", VALUE.replace("/", "\\/").encode()), "json")),
        (
            "json-signs",
            Written(line("html-safe", VALUE.replace("+", "\\u002b").replace("=", "\\u003D").encode()), "json"),
        ),
        ("json-all", Written(line("ascii", units.encode()), "json")),
        (
            "json-in-json",
            Written(line("twice", json.dumps(VALUE.replace("/", "\\/"))[1:-1].encode()), "json", kind="stretch"),
        ),
        ("html", Written(line("html", VALUE.replace("/", "&#x2F;").replace("=", "&#61;").encode()), "html")),
        ("backslash-x", Written(line("c", escapes.encode()), "hex", kind="stretch")),
        (
            "backslash-x-upper",
            Written(line("c", escapes.upper().replace("\\X", "\\x").encode()), "hex", kind="stretch"),
        ),
    ]
    wrapped = base64.encodebytes(b"some text that comes before: " + RAW + b" and some more text behind it")
    made.append(("wrapped-base64", Written(b"# mail\n" + wrapped, "base64", kind="stretch")))
    return made


def _safe_form(encoded: bytes, before: bytes) -> str:
    """base64url is only told from base64 when one of its own two signs stands in the value's part."""
    start = len(before) * 8 // 6
    return "base64url" if {b"-", b"_"} & {encoded[at : at + 1] for at in range(start, start + 43)} else "base64"


def _large() -> list[tuple[str, Written]]:
    ordinary = b"an ordinary line of an ordinary log file, " * 3 + b"\n"
    lines = 52 * MIB // len(ordinary)
    log = ordinary * lines + RAW + b"\n"
    dump = bytearray(66 * MIB)
    dump[64 * MIB - 10 : 64 * MIB - 10 + len(RAW)] = RAW  # over the edge of a 64 MiB window
    return [
        ("52-MB.log", Written(log, "raw", lines + 1)),
        ("66-MB.bin", Written(bytes(dump), "raw", 1)),
    ]


def _packed() -> list[tuple[str, Written]]:
    inside = b"ordinary text that shrinks\n" * 30 + line("inside", RAW)
    made = [("stored.zip", Written(_zip({"k.env": inside}, zipfile.ZIP_STORED), "raw", 32))]
    for name, content, inner in (
        ("deflated.zip", _zip({"a": b"1", "conf/k.env": inside}), "conf/k.env"),
        ("office.docx", _zip({"[Content_Types].xml": b"<x/>", "word/document.xml": inside}), "word/document.xml"),
        ("one.gz", gzip.compress(inside), "content"),
        ("one.bz2", bz2.compress(inside), "content"),
        ("one.xz", lzma.compress(inside), "content"),
        ("many.tar.gz", gzip.compress(_tar({"etc/k.env": inside})), "etc/k.env"),
        ("nested.zip", _zip({"lib/in.jar": _zip({"k.properties": inside})}), "lib/in.jar!k.properties"),
        ("encoded.zip", _zip({"k.yaml": base64.b64encode(inside)}), "k.yaml"),
    ):
        form, at = ("base64", 1) if name == "encoded.zip" else ("raw", 32)
        made.append((name, Written(content, form, at, "stretch", inner)))
    return made


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()
