"""The simulated dashboard as a person sees it in a browser, or with curl: what the vendor offers by hand."""

from __future__ import annotations

from html import escape

from runbook_tui.drill.estate import Key
from runbook_tui.drill.reply import Reply
from runbook_tui.drill.vendor import Vendor
from runbook_tui.foundation.errors import RunbookError

_HTML = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
}
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


def answer(vendor: Vendor, method: str, path: str, operation: str, *, html: bool) -> Reply:
    """GET shows the buttons; POST presses `operation` and shows the new key, once. `path` is the page's own address."""
    if method == "GET":
        return _front(vendor, path) if html else Reply(200, _help(vendor, path), dict(_TEXT))
    try:
        made = vendor.dashboard(operation)
    except RunbookError as error:
        return Reply(404, f"{error.message}\n", dict(_TEXT))
    if not html:
        return Reply(200, f"{made.secret if made else 'done'}\n", dict(_TEXT))
    return _page(vendor, _pressed(made, path))


def _help(vendor: Vendor, path: str) -> str:
    lines = [f"DRILL: the simulated dashboard of {vendor.manifest.name}", ""]
    lines += [f"curl -X POST http://127.0.0.1:{vendor.estate.port}{path}/{name}" for name in _buttons(vendor)]
    return "\n".join(lines) + "\n"


def _front(vendor: Vendor, path: str) -> Reply:
    rows = [
        f'<form method="post" action="{escape(path)}/{escape(name)}"><button>{escape(title)}</button></form>'
        for name, title in _buttons(vendor).items()
    ]
    return _page(vendor, "\n".join(rows) or "<p>There is nothing to do by hand here.</p>")


def _pressed(made: Key | None, path: str) -> str:
    shown = f"<p>Your new key, shown once:</p><pre>{escape(made.secret)}</pre>" if made else "<p>Done.</p>"
    return f'{shown}<p><a href="{escape(path)}">back</a></p>'


def _page(vendor: Vendor, content: str) -> Reply:
    title = f"DRILL: simulated dashboard of {escape(vendor.manifest.name)}"
    style = "body{font:16px sans-serif;max-width:40em;margin:3em auto}pre{font-size:18px}form{margin:1em 0}"
    head = f"<meta charset=utf-8><title>{title}</title><style>{style}</style>"
    return Reply(200, f"<!doctype html><html lang=en>{head}<h1>{title}</h1>\n{content}</html>\n", dict(_HTML))


def _buttons(vendor: Vendor) -> dict[str, str]:
    return {one.id: one.title for one in vendor.manifest.operations.values() if one.manual is not None}
