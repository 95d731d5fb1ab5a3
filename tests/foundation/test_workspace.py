"""Promise: the inventory is read strictly, mistakes have a place and a hint, and saving keeps the rest of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.foundation.workspace import Account, ProofOfUse, Workspace, find
from runbook_tui.foundation.yaml_edit import set_fields

FULL = """\
inventory: 1
# who pays for it
credentials:
  stripe-live:
    provider: stripe
    owner: Payments   # on call: payments
    key_id: 12345
    origins: {api: https://api.stripe.com}
    attributes:
      account: acct_1
    prefix: sk_live_
    consumers: [shop-env, shop-vault]
    admin: stripe-admin
    exposed: in the public repository since 2026-11-01

  bao-admin:
    provider: openbao
consumers:
  shop-env:
    kind: env-file
    title: The shop
    credential: stripe-live
    path: /srv/shop/.env
    variable: STRIPE_KEY
    used: {health: https://shop.example/health}
    restart: systemctl restart shop
  shop-vault:
    kind: secret-manager
    store: bao-admin
    mount: secret
    path: shop/stripe
    field: key
    used:
      vendor-last-used: true
  # by hand
  poster: {kind: manual, owner: Marketing, used: {attested: true}}
endpoints:
  hooks: {url: https://shop.example/hooks, scheme: stripe, secret: stripe-hook}
people:
  ada:
    name: Ada
    email: ada@example.com
    accounts:
      - {provider: github, account: ada, org: example, admin: github-admin}
    could_read: [stripe-live]
repositories:
  - ../shop
"""


def _workspace(folder: Path, text: str = FULL) -> Workspace:
    (folder / "inventory.yaml").write_text(text)
    return Workspace.load(folder)


def test_everything_is_read(tmp_path: Path) -> None:
    space = _workspace(tmp_path)
    stripe = space.credentials["stripe-live"]
    assert (stripe.provider, stripe.key_id, stripe.admin, stripe.consumers) == (
        "stripe",
        "12345",
        "stripe-admin",
        ("shop-env", "shop-vault"),
    )
    assert stripe.origins == {"api": "https://api.stripe.com"}
    assert stripe.attributes == {"account": "acct_1"}
    assert space.consumers["shop-env"].used == ProofOfUse("health", "https://shop.example/health")
    assert space.consumers["shop-vault"].used == ProofOfUse("vendor-last-used")
    assert [place.id for place in space.consumers_of("stripe-live")] == ["shop-env", "shop-vault"]
    assert space.endpoints["hooks"].secret == "stripe-hook"
    assert space.people["ada"].accounts == (Account("github", "ada", "github-admin", {"org": "example"}),)
    assert space.repositories == (tmp_path / "../shop",)


def test_found_from_a_folder_below(tmp_path: Path) -> None:
    _workspace(tmp_path)
    below = tmp_path / "playbooks" / "own"
    below.mkdir(parents=True)
    space = find(below)
    assert space is not None
    assert space.root == tmp_path
    assert find(Path("/")) is None


def test_an_empty_workspace_is_one(tmp_path: Path) -> None:
    assert _workspace(tmp_path, "inventory: 1\ncredentials:\nconsumers: {}\n").credentials == {}


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("credentials: {}\n", "1:1", "format 1", "inventory: 1"),
        ("inventory: 2\n", "1:1", "format 1", "inventory: 1"),
        ("inventory: 1\ncredential: {}\n", "2:1", "unknown field 'credential'", "did you mean 'credentials'"),
        ("inventory: 1\ncredentials: [a]\n", "2:1", "mapping of names", ""),
        ("inventory: 1\ncredentials:\n  a b: {}\n", "3:3", "not a valid name", ""),
        ("inventory: 1\ncredentials:\n  a: text\n", "3:3", "fields are expected", ""),
        ("inventory: 1\ncredentials:\n  a: {ownr: x}\n", "3:7", "unknown field 'ownr'", "did you mean 'owner'"),
        ("inventory: 1\ncredentials:\n  a: {owner: 1.5}\n", "3:7", "must be text", "quotes"),
        ("inventory: 1\ncredentials:\n  a: {consumers: x}\n", "3:7", "must be a list", "[one, two]"),
        ("inventory: 1\ncredentials:\n  a: {consumers: [x]}\n", "3:19", "no consumer 'x'", "add it under"),
        ("inventory: 1\ncredentials:\n  a: {origins: {api: api.x}}\n", "3:17", "not a URL", "https://"),
        ("inventory: 1\ncredentials:\n  a: {origins: [x]}\n", "3:7", "mapping of texts", "{name: value}"),
        ("inventory: 1\nconsumers:\n  a: {}\n", "3:3", "'kind' is missing", ""),
        ("inventory: 1\nconsumers:\n  a: {kind: env}\n", "3:7", "unknown kind 'env'", "env-file"),
        ("inventory: 1\nconsumers:\n  a: {kind: env-file, path: x}\n", "3:3", "'variable' is missing", ""),
        ("inventory: 1\nconsumers:\n  a: {kind: manual, used: {health: x}}\n", "3:28", "not a URL", ""),
        ("inventory: 1\nconsumers:\n  a: {kind: manual, used: {}}\n", "3:21", "exactly one proof", "health"),
        ("inventory: 1\nconsumers:\n  a: {kind: manual, used: {attested: yes}}\n", "3:28", "takes the value true", ""),
        ("inventory: 1\nconsumers:\n  a: {kind: manual, credential: x}\n", "3:21", "no credential 'x'", ""),
        ("inventory: 1\nendpoints:\n  a: {scheme: x}\n", "3:3", "'url' is missing", ""),
        ("inventory: 1\nendpoints:\n  a: {url: 'https://a.example', facts: x}\n", "3:33", "mapping of texts", ""),
        (
            "inventory: 1\nendpoints:\n  a: {url: 'https://a.example', observe_url: 'https://a.example/x'}\n",
            "3:33",
            "no {marker}",
            "acted?m=",
        ),
        (
            "inventory: 1\nendpoints:\n  a: {url: 'https://a.example',"
            " observe_url: 'https://a.example/{marker}', observe_log: /var/log/a}\n",
            "3:76",
            "not by both",
            "",
        ),
        ("inventory: 1\npeople:\n  a: {accounts: x}\n", "3:7", "must be a list", "provider"),
        ("inventory: 1\npeople:\n  a: {accounts: [{account: x}]}\n", "3:18", "'provider' is missing", ""),
        ("inventory: 1\npeople:\n  a: {could_read: [x]}\n", "3:20", "no credential 'x'", ""),
        ("inventory: 1\ncredentials:\n  a: {}\n  a: {}\n", "4:3", "twice", ""),
    ],
)
def test_mistakes_have_a_place_and_a_hint(tmp_path: Path, text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(InputProblems) as caught:
        _workspace(tmp_path, text)
    shown = str(caught.value)
    assert f"inventory.yaml:{place}: error:" in shown
    assert message in shown
    assert hint in shown


def test_all_mistakes_are_named_in_one_go(tmp_path: Path) -> None:
    with pytest.raises(InputProblems) as caught:
        _workspace(tmp_path, "inventory: 1\nconsumers:\n  a: {kind: x}\n  b: {kind: y}\nfoo: 1\n")
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5]


def test_saving_keeps_comments(tmp_path: Path) -> None:
    """New entry, new field, changed field, new section: everything else stays as the team wrote it."""
    space = _workspace(tmp_path)
    assert space.save_answers("credentials", "github-admin", {"provider": "github", "owner": "Platform: on call"})
    assert space.save_answers("credentials", "stripe-live", {"owner": "Billing", "exposed": "no"})
    assert space.save_answers("consumers", "shop-vault", {"owner": "Payments", "used": {"attested": True}})
    assert space.save_answers("people", "bob", {"accounts": [{"provider": "github", "account": "bob"}]})
    text = space.file.read_text()
    again = Workspace.load(tmp_path)
    assert again.credentials["github-admin"].owner == "Platform: on call"
    assert again.credentials["stripe-live"].owner == "Billing"
    assert again.credentials["stripe-live"].exposed == "no"
    assert again.consumers["shop-vault"].used == ProofOfUse("attested")
    assert again.people["bob"].accounts[0].account == "bob"
    for line in ("# who pays for it", "  # by hand", "    key_id: 12345", "  - ../shop"):
        assert line in text.splitlines()


def test_saving_into_a_layout_it_cannot_edit_says_so(tmp_path: Path) -> None:
    """Flow style: the entry is saved, the comments are lost, and the caller learns that."""
    space = _workspace(tmp_path, "inventory: 1  # ours\ncredentials: {a: {provider: x}}\n")
    assert not space.save_answers("credentials", "b", {"provider": "y"})
    assert set(Workspace.load(tmp_path).credentials) == {"a", "b"}


def test_a_bad_answer_leaves_the_file_alone(tmp_path: Path) -> None:
    space = _workspace(tmp_path)
    with pytest.raises(InputProblems):
        space.save_answers("consumers", "new", {"kind": "carrier-pigeon"})
    with pytest.raises(RunbookError):
        space.save_answers("animals", "new", {})
    assert space.file.read_text() == FULL


def test_a_new_section_is_appended(tmp_path: Path) -> None:
    space = _workspace(tmp_path, "inventory: 1\n# nothing yet\n")
    assert space.save_answers("endpoints", "hooks", {"url": "https://x.example/h"})
    assert space.file.read_text() == "inventory: 1\n# nothing yet\nendpoints:\n  hooks:\n    url: https://x.example/h\n"


WORDS = st.text("abc:#'\"-[]{}, 019.onyes~\nä", max_size=12)
VALUES: st.SearchStrategy[Any] = st.one_of(WORDS, st.integers(0, 99), st.lists(WORDS, max_size=3), st.booleans())


@settings(max_examples=200, deadline=None)
@given(
    entry=st.sampled_from(["stripe-live", "bao-admin", "new"]), fields=st.dictionaries(st.sampled_from("abc"), VALUES)
)
def test_whatever_is_set_is_what_is_read(entry: str, fields: dict[str, Any]) -> None:
    """The edited text loads as the old data with the fields set, whatever the fields hold."""
    document = load(FULL)
    text, _ = set_fields(document, "credentials", entry, fields)
    data = load(text).data
    assert data["credentials"][entry] == {**document.data["credentials"].get(entry, {}), **fields}
    assert data["consumers"] == document.data["consumers"]
