"""Promise: no command shows, logs, records or passes on a secret. Every command of the tree is driven, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import click
import pytest
from canaries import CANARIES
from canary_search import finds
from canary_site import Site, assert_clean

from runbook_tui.cli import _HIDDEN, runbook

ANSWERS = """\
declare: {exposure: public, used_by_others: "no", power: ordinary}
decide: {order: replace_first, reason: the worker must not stop}
revoke: {confirm: ak_old}
clean-up: {seen: nothing to reverse in a test account}
"""
Drive = Callable[[Site], object]


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in [*command.list_commands(context), *(_HIDDEN if not path else ())]:
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))
    else:
        yield " ".join(path)


def _vendor_moods(site: Site) -> None:
    """Every answer of a provider that holds the secret it was sent."""
    site.run("credential", "check", "leaked")
    for mode in ("ok", "refuse", "redirect", "garbage"):
        site.vendor.mode = mode
        site.run("credential", "check", "long", "--json")
        site.run("provider", "call", "acme", "inspect", "--credential", "leaked", "--admin", "acme-admin", "--json")
    site.vendor.mode = "ok"
    site.run("provider", "call", "acme", "audit", "--credential", "long", "--admin", "acme-admin")


def _calls(site: Site) -> None:
    about = ("--credential", "long", "--admin", "acme-admin")
    for operation in ("verify", "create", "revoke"):
        code, _ = site.run("provider", "call", "acme", operation, *about, "--dry-run", "--json")
        assert code == 0
    site.vendor.fresh.insert(0, CANARIES["odd"])
    code, _ = site.run("provider", "call", "acme", "create", *about, "--confirm", "ak_long", "--store", "odd")
    assert code == 0, site.streams[-1]
    site.run("credential", "show", "odd", "--json")
    site.run("provider", "call", "acme", "revoke", "--credential", "odd", "--admin", "acme-admin", "--dry-run")
    code, _ = site.run("credential", "check", "odd", "--json")
    assert code == 0, site.streams[-2:]


def _sign(site: Site) -> None:
    ask = ("webhook", "sign", "--body", "body.json", "--url", "https://shop.example/h", "--scheme")
    for scheme in ("standard-webhooks", "github", "gitlab", "stripe"):
        assert site.run(*ask, scheme, "--secret-stdin", stdin=CANARIES["hook"] + "\n")[0] == 0, site.streams[-1]
    code, out = site.run(*ask, "standard-webhooks", "--secret", "hook", "--json")
    assert code == 0
    assert "signature" in out


def _bench(site: Site) -> None:
    """The endpoint answers with everything it was sent; of the schemes the one whose secret travels is really sent."""
    ask = ("webhook", "bench", f"{site.vendor.url}/hooks/in", "--scheme")
    assert site.run(*ask, "gitlab", "--new", "hook", "--yes")[0] in (1, 3), site.streams[-1]
    both = json.dumps({"new": CANARIES["hook"], "old": CANARIES["odd"]})
    assert site.run(*ask, "telegram", "--secrets-stdin", "--dry-run", "--json", stdin=both)[0] == 0, site.streams[-1]
    assert site.run(*ask, "standard-webhooks", "--new", "hook", "--dry-run")[0] == 0, site.streams[-1]
    site.run(*ask, "standard-webhooks", "--secrets-stdin", "--yes", stdin=both.replace("new", "nwe"))


def _scan(site: Site) -> None:
    for options in (["--credential", "leaked"], ["--credential", "leaked", "--json"]):
        assert site.run("scan", "repo", *options)[0] == 1, site.streams[-1]
    assert site.run("scan", "repo-pem", "--credential", "pem", "--json")[0] == 1
    site.run("scan", "repo", "--value-stdin", "--json", stdin=f"{CANARIES['old']}\n{CANARIES['odd']}\n")
    site.run("scan", "nowhere", "--credential", "leaked")


def _run(site: Site) -> None:
    (site.desk / "answers.yaml").write_text(ANSWERS)
    live = ("run", "api-key-leaked", "--input", "leaked=leaked", "--input", "endpoint=hooks")
    site.run(*live, "--dry-run")
    site.run(*live, "--dry-run", "--json")
    _, out = site.run(*live, "--headless", "--answers", "answers.yaml", "--json")
    assert json.loads(out)["credentials"][0]["old"] == "dead", site.streams[-1]
    assert json.loads(out)["credentials"][0]["new"] == "live"
    assert CANARIES["new"] in (site.desk / "app.env").read_text()


def _resume(site: Site) -> None:
    code, _ = site.run("resume", "--plain", "--watch", stdin="timeline\nlist\nreport\nleave\n")
    assert code in (0, 2, 3), site.streams[-1]


def _incident(verb: str) -> Drive:
    def drive(site: Site) -> None:
        site.run("incident", verb, site.newest())
        site.run("incident", verb, site.newest(), "--json")

    return drive


def _note(site: Site) -> None:
    assert site.run("incident", "note", site.newest(), "support was told", "--json")[0] == 0
    pasted = f"curl -H 'Authorization: Bearer {CANARIES['admin']}'"
    assert site.run("incident", "note", site.newest(), "-", stdin=pasted)[0] == 2
    for canary in ("new", "odd"):
        site.run("incident", "note", site.newest(), "-", stdin=f"key={CANARIES[canary]}")


def _purge(site: Site) -> None:
    reason = ("--reason", "it was pasted")
    for canary in ("old", "odd"):
        site.run("incident", "purge", site.newest(), "--matching", *reason, "--json", stdin=CANARIES[canary] + "\n")
    site.run("incident", "purge", site.newest(), "--matching", "--reason", "x", stdin=CANARIES["pem"])


def _report(site: Site) -> None:
    for form, *more in (("md",), ("md", "--public"), ("json",), ("csv", "--output", "out.csv")):
        assert site.run("report", site.newest(), "--format", form, *more)[0] == 0, site.streams[-1]


def _drill(site: Site) -> None:
    code, _ = site.run("drill", "api-key-leaked", "--auto", "--seed", "7", "--json")
    assert code == 0, site.streams[-1]


def _copy(site: Site) -> None:
    """The one command that hands a value out: to the clipboard program's standard input, and takes it away again."""
    shown = site.open("credential", "show", "leaked", "--copy", more={"DISPLAY": ":9", "XDG_SESSION_TYPE": "x11"})
    shown.wait_for("on the clipboard")
    shown.send("\x03")
    shown.ends()
    clips = site.evidence / "clips"
    assert CANARIES["old"] in (clips / "all").read_text()
    assert not finds("clipboard", (clips / "all").read_bytes(), ["old"])
    assert not finds("clipboard now", (clips / "now").read_bytes())


def _show(site: Site) -> None:
    for name, more in (("leaked", []), ("pem", ["--json"]), ("long", [])):
        site.run("credential", "show", name, *more)
    _copy(site)


def _remove(site: Site) -> None:
    assert site.run("credential", "remove", "pem", "--yes-name", "pem")[0] == 0


def _mistakes(site: Site) -> None:
    """Values on standard input where something else is meant, or twice, or in an odd form."""
    for value in (CANARIES["odd"], CANARIES["pem"]):
        site.run("credential", "add", "leaked", "--provider", "none", "--value-stdin", stdin=value)
        site.run("credential", "add", "again", "--value-stdin", stdin=value)
        site.run("conductor", stdin=json.dumps({"setup": {"incident": value, value: 1}, "secrets": [value]}) + "\n")
    site.run(
        "credential", "add", "bytes", "--provider", "none", "--value-stdin", stdin=CANARIES["old"].encode() + b"\xff"
    )


def _just(*args: str, code: int = 0) -> Drive:
    def drive(site: Site) -> None:
        assert site.run(*args)[0] == code, site.streams[-1]

    return drive


# In the order in which they are driven: an incident has to be there before it is reported.
DRIVEN: dict[str, Drive] = {
    "doctor": lambda site: site.run("doctor", "--json"),
    "init": _just("init", "elsewhere"),
    "playbook list": _just("playbook", "list", "--json"),
    "playbook show": _just("playbook", "show", "api-key-leaked"),
    "playbook check": lambda site: site.run("playbook", "check", "inventory.yaml"),
    "playbook schema": _just("playbook", "schema"),
    "playbook new": _just("playbook", "new", "mine"),
    "provider list": _just("provider", "list", "--json"),
    "provider show": _just("provider", "show", "acme", "--json"),
    "provider check": _just("provider", "check", "manifests/acme.yaml"),
    "credential add": _mistakes,
    "credential list": _just("credential", "list", "--json"),
    "credential show": _show,
    "credential check": _vendor_moods,
    "provider call": _calls,
    "webhook schemes": _just("webhook", "schemes", "--json"),
    "webhook sign": _sign,
    "webhook bench": _bench,
    "scan": _scan,
    "credential remove": _remove,
    "run": _run,
    "incident list": _just("incident", "list", "--json"),
    "incident show": _incident("show"),
    "incident verify": _incident("verify"),
    "incident note": _note,
    "incident purge": _purge,
    "resume": _resume,
    "report": _report,
    "drill": _drill,
    "conductor": lambda site: site.run("conductor", stdin=CANARIES["old"] + "\n"),
}


def test_every_command_is_driven() -> None:
    """A new command has to be added to the canary test."""
    assert sorted(_commands(runbook)) == sorted(DRIVEN)


@pytest.mark.network
def test_no_command_leaks(site: Site) -> None:
    """Every command, with a provider that echoes every secret in every form, under an environment that logs all."""
    for drive in DRIVEN.values():
        drive(site)
    assert any(path.suffix == ".md" for path in site.incidents.rglob("*")), "no report was written"
    assert_clean(site)
    assert not [name for name in ("tls", "textual", "shot.svg") if (site.logs / name).exists()]


def test_a_secret_as_an_argument_goes_nowhere(plain_site: Callable[[], Site]) -> None:
    """Pasted in the wrong place: no message repeats it, no file keeps it. The argument itself is the operator's."""
    site = plain_site()
    for value in (CANARIES["hook"], CANARIES["pem"], f"sk_live_{CANARIES['admin'][10:]}"):
        for words in (["incident", "note", "none", value], [value], ["run", value], ["credential", "show", value]):
            assert site.run(*words)[0] in (2, 3)
    (site.evidence / "spawned").unlink(missing_ok=True)
    assert_clean(site)


def test_nothing_is_left_in_the_temporary_folder(plain_site: Callable[[], Site]) -> None:
    """What a scan needs for a moment is gone with it."""
    site = plain_site()
    assert site.run("scan", "repo", "--value-stdin", stdin=CANARIES["old"])[0] == 1
    assert not [path for path in (site.root / "tmp").rglob("*") if path.is_file()]
