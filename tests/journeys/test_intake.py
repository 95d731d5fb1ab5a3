"""An incident starts from whatever is at hand; at most one question stands before it; it does not close by accident."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from acme_vendor import Acme, secret
from journey_kit import RUNBOOK, Hands, Machine, PlainOperator, kinds, open_drill

from servers.terminal import Terminal

Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]
# Obviously made up, in the form of a real prefix.
STRIPE = "sk_live_" + "FakeFake" * 3


def _run(machine: Machine, terminal: OpenTerminal, *options: str) -> PlainOperator:
    command = [*RUNBOOK, "run", "api-key-leaked", "--plain", *options]
    return PlainOperator(terminal(command, env=machine.env, cwd=machine.cwd))


def _subject(machine: Machine) -> dict[str, object]:
    return next(dict(event["data"]) for event in machine.events() if event["kind"] == "subject")


def _nothing_secret(machine: Machine, *values: str) -> None:
    for path in machine.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert not any(value.encode() in path.read_bytes() for value in values), path


def test_from_a_pasted_value(machine: Make, terminal: OpenTerminal) -> None:
    """Pasted unseen, its provider recognised by the prefix and confirmed with Enter: then the run is open."""
    here = machine()
    operator = _run(here, terminal, "--vault", "session")
    assert "not shown" in operator.waits_with()
    operator.answer(STRIPE, secret=True)
    assert "[stripe]" in operator.waits_with()
    operator.answer("")
    assert "leave?" in operator.waits_with()
    assert STRIPE not in operator.text()
    subject = _subject(here)
    assert (subject["provider"], subject["has_secret"]) == ("stripe", True)
    _nothing_secret(here, STRIPE)


def test_from_a_key_id_alone(machine: Make, terminal: OpenTerminal) -> None:
    """Nothing is asked at all; what needs the value is left out or done by hand."""
    here = machine()
    operator = _run(here, terminal, "--vault", "session", "--provider", "stripe", "--key-id", "mk_fake4711")
    assert "leave?" in operator.waits_with()
    subject = _subject(here)
    assert (subject["key_id"], subject["has_secret"]) == ("mk_fake4711", False)


@pytest.mark.network
def test_from_a_vault_name(machine: Make, terminal: OpenTerminal, gnome_keyring: dict[str, str]) -> None:
    """The name is enough: no question before the first step."""
    here = machine(gnome_keyring)
    added = here.run("credential", "add", "shop-key", "--provider", "stripe", "--value-stdin", stdin=STRIPE + "\n")
    assert added.returncode == 0, added.stderr
    operator = _run(here, terminal, "--input", "leaked=shop-key")
    assert "leave?" in operator.waits_with()
    assert _subject(here)["name"] == "shop-key"
    _nothing_secret(here, STRIPE)


@pytest.mark.network
def test_from_a_scans_finding(machine: Make, terminal: OpenTerminal, gnome_keyring: dict[str, str]) -> None:
    """`scan --json` names the credential, the repository and since when: the run takes them over."""
    here = machine(gnome_keyring)
    here.run("credential", "add", "shop-key", "--provider", "stripe", "--value-stdin", stdin=STRIPE + "\n")
    repository = here.cwd / "shop"
    git = ["git", "-c", "user.name=Kim", "-c", "user.email=kim@example.test", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "settings.py").write_text(f'KEY = "{STRIPE}"\n')
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "settings"], check=True)
    scanned = here.run("scan", str(repository), "--credential", "shop-key", "--json")
    assert scanned.returncode == 1, scanned.stderr
    (here.cwd / "finding.json").write_text(scanned.stdout)

    operator = _run(here, terminal, "--finding", "finding.json")
    assert "leave?" in operator.waits_with()
    events = here.events()
    assert _subject(here)["name"] == "shop-key"
    (paths,) = [e["data"]["value"] for e in events if e["kind"] == "input" and e["data"]["name"] == "repositories"]
    assert paths == [str(repository)]
    (facts,) = [event["data"]["values"] for event in events if event["kind"] == "facts"]
    assert facts["exposed_since"] == json.loads(scanned.stdout)["credentials"][0]["earliest"]
    _nothing_secret(here, STRIPE)


def test_a_pasted_secret_is_asked_again_after_a_crash(machine: Make, terminal: OpenTerminal, acme: Acme) -> None:
    """A session vault dies with its conductor: resume wants the same value, refuses another, and sends it where it was
    bound before."""
    here = machine()
    acme.workspace(here.cwd)
    operator = _run(here, terminal, "--vault", "session")
    for said, unseen in ((secret("Leaked"), True), ("", False), (acme.url, False)):
        operator.waits_with()
        operator.answer(said, secret=unseen)
    assert "leave?" in operator.waits_with()
    incident = here.only_incident()
    operator.terminal.close()
    here.kill_conductor()

    resume = [*RUNBOOK, "resume", incident, "--plain"]
    wrong = PlainOperator(terminal(resume, env=here.env, cwd=here.cwd))
    assert "acme-leaked (fp:" in wrong.waits_with()
    wrong.answer(secret("Other"), secret=True)
    assert wrong.terminal.wait_exit() == 2
    assert "its fingerprint is another" in wrong.text()
    assert not here.conductor()

    right = PlainOperator(terminal(resume, env=here.env, cwd=here.cwd))
    right.waits_with()
    right.answer(secret("Leaked"), secret=True)
    assert "leave?" in right.waits_with()
    hands = Hands(here)
    hands.client.request("take_over")
    hands.client.request("tripwire", reason="seen in a log")
    assert hands.do("capture", **hands.seen("capture")) == "done"
    before = len(acme.heard)
    hands.start("prove-dead")
    right.terminal.wait_for("leaked old: alive")
    assert acme.heard[before:][0] == "GET /me"
    hands.client.request("stop")
    _nothing_secret(here, secret("Leaked"))


def test_the_tripwire_contains_first_with_one_action(machine: Make) -> None:
    """Evidence of use: from one word on, containing is next, whether the order was decided before or not."""
    here = machine()
    open_drill(here)
    hands = Hands(here)
    hands.client.request("tripwire", reason="a foreign address in the provider's log")
    assert hands.client.state.order == "contain_first"
    assert hands.do("capture", **hands.seen("capture")) == "done"
    left = here.run("resume", "--plain", "--watch", stdin="leave\n")
    assert "Revoke the leaked key now" in left.stderr
    assert "CONTAIN NOW: a foreign address" in left.stderr


def test_an_open_line_keeps_it_open_and_a_waiver_has_a_name_and_a_reason(machine: Make) -> None:
    """Close names every open line; a waiver without a name or without a reason is refused; the result says waived."""
    from runbook_tui.foundation.errors import RunbookError

    here = machine()
    open_drill(here)
    hands = Hands(here)
    hands.to_decision()
    with pytest.raises(RunbookError, match="old:leaked"):
        hands.client.request("close")
    for name, reason in (("", "it is late"), ("Kim", ""), ("Kim", "  ")):
        with pytest.raises(RunbookError, match="it needs a"):
            hands.client.request("waive", line="old:leaked", name=name, reason=reason)
    assert "waiver" not in kinds(here.events())
    for line in ("old:leaked", "consumer:web", "consumer:nightly"):
        hands.client.request("waive", line=line, name="Kim", reason="only a rehearsal")
    assert hands.client.request("close")["state"] == "complete_except"
    report = here.run("report", here.only_incident()).stdout
    assert "Kim" in report
    assert "only a rehearsal" in report


def test_a_dry_run_sends_nothing(machine: Make, acme: Acme, gnome_keyring: dict[str, str]) -> None:
    """Every request is shown with its secret masked; the vendor hears none; no incident is left."""
    here = machine(gnome_keyring)
    inventory = "inventory: 1\ncredentials:\n  shop: {provider: acme, admin: shop-admin}\n"
    acme.workspace(here.cwd, inventory)
    for name, value, key_id in (("shop", secret("Leaked"), "ak_leaked"), ("shop-admin", secret("Admin"), "ak_admin")):
        options = ("--provider=acme", f"--key-id={key_id}", f"--origin=api={acme.url}", "--value-stdin")
        added = here.run("credential", "add", name, *options, stdin=value + "\n")
        assert added.returncode == 0, added.stderr
    acme.heard.clear()
    shown = here.run("run", "api-key-leaked", "--input", "leaked=shop", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert f"DELETE {acme.url}/keys/ak_leaked" in shown.stdout
    assert f"POST {acme.url}/keys" in shown.stdout
    assert acme.heard == []
    assert secret("Leaked") not in shown.stdout + shown.stderr
    assert secret("Admin") not in shown.stdout + shown.stderr
    assert not here.incidents.is_dir() or not list(here.incidents.iterdir())


@pytest.mark.network
def test_the_inventorys_paths_are_meant_from_the_workspace(
    machine: Make, acme: Acme, gnome_keyring: dict[str, str]
) -> None:
    """Started in a folder below it and resumed from elsewhere, a run writes the env file the inventory names."""
    here = machine(gnome_keyring)
    root, below, elsewhere = here.cwd, here.cwd / "below", here.home.parent / "elsewhere"
    below.mkdir()
    elsewhere.mkdir()
    consumer = "{kind: env-file, title: web, path: app.env, variable: KEY}"
    named = "shop: {provider: acme, admin: shop-admin, consumers: [web]}"
    acme.workspace(
        root, f"inventory: 1\ncredentials:\n  {named}\nconsumers:\n  web: {consumer}\nrepositories: [repo]\n"
    )
    (root / "app.env").write_text(f"KEY={secret('Leaked')}\n")
    for name, value, key_id in (("shop", secret("Leaked"), "ak_leaked"), ("shop-admin", secret("Admin"), "ak_admin")):
        options = ("--provider=acme", f"--key-id={key_id}", f"--origin=api={acme.url}", "--value-stdin")
        here.run("credential", "add", name, *options, stdin=value + "\n")
    here.cwd = below
    here.run("run", "api-key-leaked", "--input", "leaked=shop", "--plain", stdin="leave\n")
    hands = Hands(here)
    hands.to_decision()
    assert hands.do("create") == "done"
    here.kill_conductor()
    here.cwd = elsewhere
    assert here.run("resume", "--plain", stdin="leave\n").returncode == 3
    hands = Hands(here)
    assert hands.client.state.inputs["repositories"] == [str(root / "repo")]
    assert hands.do("roll-out") == "done"
    (made,) = [value for key, value in acme.keys.items() if key.startswith("ak_new")]
    assert (root / "app.env").read_text() == f"KEY={made}\n"
    assert list(below.iterdir()) == list(elsewhere.iterdir()) == []
