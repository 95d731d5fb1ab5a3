"""Somebody leaves: memberships really end on a stateful GitHub, in requests that GitHub's own description accepts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from journey_kit import Hands, Machine, kinds

from runbook_tui.foundation.clock import RealClock
from runbook_tui.incident.lines import open_lines
from runbook_tui.net.client import Answer, Network, Request
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential
from servers.npm_servers import GitHub, violations

pytestmark = pytest.mark.network
Make = Callable[..., Machine]

_INVENTORY = """\
inventory: 1
credentials:
  gh-admin: {provider: github, owner: kim}
  gh-leaver: {provider: github, owner: sam}
  gh-broken: {provider: github, owner: kim}
people:
  sam:
    name: Sam
    accounts:
ACCOUNTS
"""
_ANSWERS = """\
declare: {parting: friendly}
sole-owner: {seen: none}
remove: {confirm: CONFIRM}
tokens: {seen: sessions ended at the identity provider}
# they could read no shared secret: the step asks nothing
audit: {seen: nothing unexpected}
"""


class Office:
    """The team's machine: a keyring with admin tokens, and a workspace that knows who leaves."""

    def __init__(self, machine: Machine, github: GitHub) -> None:
        self.machine, self.github = machine, github
        self.leaving("leaver")
        for name, secret in (
            ("gh-admin", github.token),
            ("gh-leaver", "fake-leaver-token"),
            ("gh-broken", "fake-broken-token"),
        ):
            origin = github.url if name != "gh-broken" else "http://127.0.0.1:9"
            options = ("--value-stdin", "--provider=github", f"--origin=api={origin}")
            added = machine.run("credential", "add", name, *options, stdin=secret + "\n")
            assert added.returncode == 0, added.stderr

    def leaving(self, *logins: str, admin: str = "gh-admin") -> None:
        rows = [f"      - {{provider: github, account: {login}, org: acme, admin: {admin}}}" for login in logins]
        (self.machine.cwd / "inventory.yaml").write_text(_INVENTORY.replace("ACCOUNTS", "\n".join(rows)))

    def offboard(self, confirm: str, *options: str) -> subprocess.CompletedProcess[str]:
        answers = self.machine.cwd / "answers.yaml"
        answers.write_text(_ANSWERS.replace("CONFIRM", confirm))
        command = ("run", "member-offboarded", "--input", "member=sam", "--headless", "--answers", str(answers))
        return self.machine.run(*command, "--json", *options)

    def members(self) -> set[str]:
        """Who is in the organisation and its team, asked by another client than ours."""
        headers = {"Authorization": f"Bearer {self.github.token}"}
        base = f"{self.github.url}/orgs/{self.github.organisation}"
        found: set[str] = set()
        for path in ("members", f"teams/{self.github.team}/members"):
            answer = httpx.get(f"{base}/{path}", headers=headers, trust_env=False).raise_for_status()
            found |= {member["login"] for member in answer.json()}
        return found

    def newest(self) -> str:
        listed = json.loads(self.machine.run("incident", "list", "--json").stdout)["incidents"]
        return str(listed[-1]["incident"])


@pytest.fixture
def office(machine: Make, gnome_keyring: dict[str, str], emulate: GitHub) -> Office:
    return Office(machine(gnome_keyring), emulate)


def test_a_member_is_removed_and_seen_gone(office: Office) -> None:
    """Captured first, removed once, read back as gone; the others stay; the report says how it was proven."""
    done = office.offboard("1 leaver")
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert (done.returncode, result["state"]) == (0, "contained"), done.stderr
    assert [(one["name"], one["old"], one["proof"]) for one in result["credentials"]] == [("leaver", "dead", "listed")]
    assert office.members() == {"owner", "stays"}

    events = office.machine.events()
    captured = next(e for e in events if e["kind"] == "recorded" and e["data"]["step"] == "capture")
    assert captured["data"]["values"]["role"] == "member"
    (intent,) = [event for event in events if event["kind"] == "intent"]
    assert captured["seq"] < intent["seq"]
    order = [event["kind"] for event in events if event["data"].get("op") == intent["data"]["op"]]
    assert order == ["intent", "sending", "outcome"]
    report = Path(result["report"]).read_text()
    assert "1 of 1 gone" in report
    for path in office.machine.home.rglob("*"):
        assert not path.is_file() or office.github.token.encode() not in path.read_bytes(), path
    assert office.machine.run("incident", "verify", result["incident"]).returncode == 0


def test_it_is_safe_to_repeat(office: Office) -> None:
    """A second run finds the member gone already, changes nobody, and still proves it."""
    assert office.offboard("1 leaver").returncode == 0
    again = office.offboard("1 leaver")
    assert (again.returncode, json.loads(again.stdout)["state"]) == (0, "contained"), again.stderr
    events = office.machine.events(json.loads(again.stdout)["incident"])
    (captured,) = [e["data"]["values"] for e in events if e["kind"] == "recorded" and e["data"]["step"] == "capture"]
    assert captured["state"].startswith("gone")
    assert [event["data"]["result"] for event in events if event["kind"] == "outcome"] == ["done"]
    assert office.members() == {"owner", "stays"}


def test_a_batch_is_confirmed_by_its_count_and_name(office: Office) -> None:
    """Another count removes nobody; the right one removes each of the batch, and each is read back."""
    office.leaving("leaver", "stays")
    wrong = office.offboard("1 leaver")
    assert wrong.returncode != 0
    assert "nothing was done" in wrong.stderr
    assert "2 sam" in wrong.stderr
    assert office.members() == {"owner", "leaver", "stays"}
    assert "intent" not in kinds(office.machine.events())

    right = office.offboard("2 sam")
    assert (right.returncode, json.loads(right.stdout)["state"]) == (0, "contained"), right.stderr
    assert office.members() == {"owner"}


def test_the_leavers_own_admin_credential_is_refused(office: Office) -> None:
    """Before anything is asked or sent: the credential that would sign belongs to the person who leaves."""
    office.leaving("leaver", admin="gh-leaver")
    done = office.offboard("1 leaver")
    assert done.returncode != 0
    assert "belongs to sam, who leaves" in done.stderr
    assert "--admin" in done.stderr
    assert office.members() == {"owner", "leaver", "stays"}
    assert not office.machine.incidents.is_dir() or not list(office.machine.incidents.iterdir())

    substituted = office.offboard("1 leaver", "--admin", "gh-admin")
    assert (substituted.returncode, json.loads(substituted.stdout)["state"]) == (0, "contained"), substituted.stderr
    assert office.members() == {"owner", "stays"}


def test_a_substitute_that_does_not_work_is_refused_at_once(office: Office) -> None:
    """It is asked before the run opens, not found out in the middle of it."""
    office.leaving("leaver", admin="gh-leaver")
    done = office.offboard("1 leaver", "--admin", "gh-broken")
    assert done.returncode != 0
    assert "the admin credential 'gh-broken' does not work" in done.stderr
    assert office.members() == {"owner", "leaver", "stays"}


class _Watching(Network):
    """The real client, remembering the last answer."""

    last: Answer

    def send(self, request: Request, origins: Any, **more: Any) -> Answer:
        self.last = super().send(request, origins, **more)
        return self.last


def test_the_requests_are_ones_that_github_describes(prism: Callable[[str], str]) -> None:
    """Each changing or reading request of the playbook, against the vendor's description: no violation."""
    catalogue, network = Catalogue.load(), _Watching()
    engine = Engine(catalogue, network, RealClock())
    binding = Binding("github", {"api": prism("github")}, "leaver", {"org": "acme"})
    subjects = {
        "credential": Credential("leaver", None, binding),
        "admin": Credential("gh-admin", Secret("fake-owner-token"), Binding("github", binding.origins)),
    }
    for operation in ("offboard", "member_check", "offboard_invited", "members"):
        engine.call(operation, subjects, {}, operation_id="0" * 32, sending=lambda: None)
        assert violations(dict(network.last.headers)) == [], operation


def test_without_an_admin_credential_each_account_is_ended_by_hand(office: Office) -> None:
    """Nothing is sent; the way by hand is given for each account; what a person saw stays attested."""
    office.leaving("leaver", "stays")
    done = office.offboard("2 sam", "--admin", "none")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (3, "open")
    hands = Hands(office.machine)
    hands.client.request("take_over")
    for step, title in (
        ("capture", "Look up the member in the organization"),
        ("sole-owner", ""),
        ("remove", "Remove the member from the organization"),
    ):
        asked = hands.client.request("prompts", step=step)["prompts"]
        helps = [line for prompt in asked for line in prompt["help"]]
        for login in ("leaver", "stays") if title else ():
            assert f"{title}: {login}." in helps
        confirmed = {one["name"]: one["expect"] for one in asked if one["kind"] == "typed"}
        hands.do(step, **hands.seen(step), **confirmed)
    assert office.members() == {"owner", "leaver", "stays"}
    assert "sending" not in kinds(office.machine.events())
    for line in [one.id for one in open_lines(hands.client.state)]:
        hands.client.request("attest", line=line, what="not listed under People any more")
    grades = {one.old.proof for one in hands.client.state.subjects.values()}
    assert grades == {"attested"}
