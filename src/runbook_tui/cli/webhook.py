"""`runbook webhook`: the known signature schemes, and test deliveries signed by hand."""

from __future__ import annotations

import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.foundation.errors import RunbookError

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.webhooks.registry import Schemes
    from runbook_tui.webhooks.scheme import Delivery, Scheme

_MAX_BODY = 25 * 1024 * 1024  # bytes: the largest payload a vendor is known to send (GitHub)
_MAX_SECRET = 64 * 1024
_KEPT_IN = "TOKEN_FILE"


class _Group(click.Group):
    """`bench` is a file of its own, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["schemes", "sign", "bench"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "bench":
            from runbook_tui.cli.webhook_bench import command as bench

            return bench
        return super().get_command(ctx, cmd_name)


@click.group("webhook", cls=_Group)
def command() -> None:
    """Sign test webhooks, and prove what an endpoint accepts."""


@command.command("schemes")
@json_option
def schemes(as_json: bool) -> int:
    """List the known signature schemes, shipped and from the workspace's schemes/ folder."""
    from runbook_tui.webhooks.listing import as_data, in_words

    known = schemes_here()
    found = [known.get(name) for name in known.ids()]
    if as_json:
        emit({"schemes": [as_data(scheme) for scheme in found]})
        return 0
    width = max(len(scheme.id) for scheme in found)
    for scheme in found:
        click.echo(f"{scheme.id:<{width}}  {scheme.kind:<10}  {scheme.name}: {in_words(scheme)}")
    return 0


@command.command("sign")
@click.option("--scheme", "scheme_id", required=True, metavar="SCHEME", help="One of `runbook webhook schemes`.")
@click.option("--body", "body_file", required=True, metavar="FILE", help="The exact bytes to sign; - reads them here.")
@click.option("--url", default="", help="The endpoint, without a path token (or with {token} in its place).")
@click.option(
    "--secret", "names", multiple=True, metavar="NAME",
    help="The secret's name in the vault; twice for both signatures of a roll, in this order.",
)  # fmt: skip
@click.option("--secret-stdin", is_flag=True, help="Read the secret from standard input.")
@click.option("--at", "at_text", metavar="TIME", help="Sign for this time instead of now (2026-11-21T22:04:00Z).")
@click.option("--id", "delivery_id", metavar="ID", help="The delivery's id, where a header holds one.")
@click.option("--event", default="", help="The event's name, where a header holds it.")
@click.option(
    "--fact", "facts", multiple=True, metavar="NAME=VALUE", help="What else the scheme signs, like a key's id."
)
@click.option("--content-type", default="", help="Another content type than the scheme's.")
@click.option("--out", metavar="FILE", help="Write the body that is to be sent here, where the proof stands inside it.")
@json_option
def sign(
    *,
    scheme_id: str,
    body_file: str,
    url: str,
    names: tuple[str, ...],
    secret_stdin: bool,
    at_text: str | None,
    delivery_id: str | None,
    event: str,
    facts: tuple[str, ...],
    content_type: str,
    out: str | None,
    as_json: bool,
) -> int:
    """Print the headers of a signed delivery, and a curl line that sends it.

    Without --secret or --secret-stdin the secret is asked for, not shown. Where only the vendor holds the key, give the
    PEM of a test key pair of your own. Nothing is sent.
    """
    from runbook_tui.foundation.clock import RealClock, parse_instant
    from runbook_tui.webhooks.scheme import Case
    from runbook_tui.webhooks.signer import build
    from runbook_tui.webhooks.urls import check_endpoint

    if secret_stdin and (names or body_file == "-"):
        raise click.UsageError("--secret-stdin cannot be combined with --secret or with --body -")
    scheme = schemes_here().get(scheme_id)
    if not url and (scheme.kind == "url-token" or "url" in scheme.covers):
        raise click.UsageError(f"the scheme {scheme.id} needs --url: the address is a part of its proof")
    if url:
        check_endpoint(url, carries_secret=scheme.carries_secret)
    at = parse_instant(at_text) if at_text is not None else RealClock().now()
    body = _body(body_file)
    case = Case(
        "sign",
        "signed by hand",
        delivery_id=delivery_id or f"irtest_{secrets.token_hex(8)}",
        event=event,
        content_type=content_type,
        facts=facts_of(scheme, facts),
    )
    delivery = build(scheme, case, _secrets(names, secret_stdin), body, at, url)
    if as_json:
        emit(_document(delivery))
        if scheme.carries_secret:
            click.echo("warning: this document holds the secret itself", err=True)
    else:
        click.echo(_text(scheme, delivery, url, _body_to_send(scheme, delivery, body, body_file, out)))
    return 0


def schemes_here() -> Schemes:
    """The shipped schemes and those of the workspace."""
    from runbook_tui.cli.wiring import workspace
    from runbook_tui.webhooks.registry import Schemes

    here = workspace()
    return Schemes.load([here.root / "schemes"] if here else [])


def facts_of(scheme: Scheme, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options as data; UsageError for a name that the scheme does not know."""
    found = dict(entry.partition("=")[::2] for entry in given)
    unknown = sorted(set(found) - set(scheme.facts))
    if unknown or not all(found.values()):
        known = ", ".join(scheme.facts) or "none"
        raise click.UsageError(f"--fact is NAME=VALUE; {scheme.id} knows: {known}")
    for name in found:
        if name.endswith(("token", "secret")):  # every process of this machine can read an argument
            raise click.UsageError(f'{name} is a secret: `bench --secrets-stdin` takes it as {{"facts": {{...}}}}')
    return found


def _body(name: str) -> bytes:
    try:
        if name == "-":
            body = sys.stdin.buffer.read(_MAX_BODY + 1)
        else:
            with Path(name).open("rb") as stream:
                body = stream.read(_MAX_BODY + 1)
    except OSError as error:
        raise RunbookError(f"cannot read the body {name}: {error.strerror}", "give a readable file, or -") from None
    if len(body) > _MAX_BODY:
        raise RunbookError("the body is larger than 25 MiB", "no vendor sends such deliveries")
    return body


def _body_to_send(scheme: Scheme, delivery: Delivery, given: bytes, body_file: str, out: str | None) -> str:
    """The file whose bytes curl has to send: the given one, or --out when the proof was put into the body."""
    if delivery.body == given and out is None:
        return body_file
    if out is None:
        raise RunbookError(
            f"the proof of {scheme.name} stands inside the body, so another body is to be sent",
            "give --out FILE for it, or use --json",
        )
    from runbook_tui.foundation.files import write_atomic

    try:
        write_atomic(Path(out), delivery.body)
    except OSError as error:
        raise RunbookError(f"cannot write {out}: {error.strerror}", "give another file") from None
    return out


def _secrets(names: tuple[str, ...], from_stdin: bool) -> list[Secret]:
    return [_secret(name, from_stdin) for name in names or (None,)]


def _secret(name: str | None, from_stdin: bool) -> Secret:
    from runbook_tui.cli import wiring
    from runbook_tui.secrets.secret import Secret

    if from_stdin:
        raw = sys.stdin.buffer.read(_MAX_SECRET + 1)
        if len(raw) > _MAX_SECRET:
            raise RunbookError("the secret on standard input is larger than 64 KiB")
        return Secret(raw.removesuffix(b"\n").removesuffix(b"\r"))  # one line end, as `echo` adds it; no more
    if name is None:
        return wiring.ask_secret("webhook secret", instead="send it on standard input with --secret-stdin")
    return stored(name)


def stored(name: str) -> Secret:
    """A secret of the vault by its name."""
    from runbook_tui.cli import wiring

    found = wiring.open_vault().get(name).secret
    if found is None:
        raise RunbookError(f"only the key id of {name!r} is stored, not its value", "send it on standard input")
    return found


def _document(delivery: Delivery) -> dict[str, Any]:
    import base64

    return {
        "method": delivery.method,
        "url": delivery.url,
        "headers": dict(delivery.headers),
        "body_base64": base64.b64encode(delivery.body).decode("ascii"),
    }


def _text(scheme: Scheme, delivery: Delivery, url: str, body_file: str) -> str:
    """The headers, an empty line and a shell line. A secret that travels in the request is in neither."""
    hidden = {name for name, template in scheme.headers.items() if "secret" in template.tokens}
    lines = [f"{name}: {f'<{_KEPT_IN}>' if name in hidden else value}" for name, value in delivery.headers]
    curl = ["curl", "--request", delivery.method, "--data-binary", f"@{body_file}"]
    for name, value in delivery.headers:
        if name not in hidden:
            curl += ["--header", f"{name}: {value}"]
    target = delivery.url or "https://ENDPOINT"
    if not hidden and scheme.kind != "url-token":
        return "\n".join([*lines, "", shlex.join([*curl, target])])
    if body_file == "-":
        curl[curl.index("@-")] = "@BODY_FILE"  # standard input is where curl reads the secret from
    if scheme.kind == "bearer":
        (name,) = hidden
        before, after, curl = f'header = "{name}: ', '"', [*curl, target]
    else:
        start, _, end = url.partition("{token}") if "{token}" in url else _split_at_query(url)
        before, after = f'url = "{start}', f'{end}"'
    feed = f"{{ printf %s {shlex.quote(before)}; tr -d '\\r\\n' < {_KEPT_IN}; printf '%s\\n' {shlex.quote(after)}; }}"
    note = f"# {_KEPT_IN} is a file of yours that holds the secret: so it stays out of the process list."
    return "\n".join([*lines, "", note, f"{feed} | {shlex.join([*curl, '--config', '-'])}"])


def _split_at_query(url: str) -> tuple[str, str, str]:
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/", "", f"{mark}{query}"
