"""Promise: every mistake in a manifest is named with its place; what a vendor cannot say is never called proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.loader import check, load_manifest
from runbook_tui.secrets.secret import Secret

GOOD = """\
provider: 1
id: own
name: Own
source: read in its documents
checked_on: 2026-11-21
origins: {api: {url: "https://api.example.com/v1"}}
overlap: parallel
credential:
  name: key
  kinds: [{id: key, prefixes: [own_], pattern: 'own_[a-z]{8}'}]
  attributes: {team: {ask: "Which team?"}}
auth: {bearer: {style: bearer}}
identities: {credential: bearer, admin: bearer}
operations:
  verify:
    title: Ask
    kind: read
    request: {method: GET, path: /me}
    verdict: [{status: [401], is: dead, proof: refused}, {status: [200], is: alive}]
  revoke:
    title: End it
    kind: idempotent
    as: admin
    request: {method: DELETE, path: /teams/$(credential.team)/keys/$(credential.key_id)}
    effect: {revoke: credential}
"""

EXAMPLE = "https://api.example.com/v1"

MISTAKES = [
    ("overlap: parallel", "overlap: sometimes", "`overlap` cannot be 'sometimes'"),
    ("kind: idempotent", "kind: twice", "`kind` cannot be 'twice'"),
    ("    kind: idempotent\n", "", "revoke needs `kind`"),
    ("name: Own\n", "name: Own\nextra: 1\n", "unknown field `extra`"),
    ("provider: 1", "provider: 2", "`provider` must be 1"),
    ("https://api.example.com/v1", "http://api.example.com/v1", "plain http is allowed to this machine only"),
    ("https://api.example.com/v1", "https://user@api.example.com", "user information"),
    ("status: [401]", "status: [429]", "the status 429 can only be undetermined"),
    ("status: [401]", "status: [503]", "the status 503 can only be undetermined"),
    (", proof: refused", "", "a dead verdict needs `proof`"),
    ("$(credential.team)", "$(credential.group)", "$credential.group refers to nothing"),
    ("$(credential.team)", "$credential.team", "a lone $"),
    ("$(credential.team)", "$(new.secret)", "does not store it"),
    ("as: admin", "as: new", "the manifest has no identity 'new'"),
    ("as: admin", "as: root", "`as` cannot be 'root'"),
    ("effect: {revoke: credential}", "effect: {burn: credential}", "unknown effect 'burn'"),
    ("    effect: {revoke: credential}\n", "", "its effect does not fit"),
    ("effect: {revoke: credential}", "effect: {revoke: credential}\n    undo: back", "unknown operation 'back'"),
    ("title: Ask", "title: Ask\n    outputs: {id: 'data[.id'}", "is not JMESPath"),
    ("'own_[a-z]{8}'", "'own_(?=a)'", "not a regular expression"),
    ("credential: bearer", "credential: baerer", "unknown auth 'baerer'"),
    ("path: /me", "path: me", "`path` cannot be 'me'"),
    ("style: bearer", "style: header", "the style header needs `name`"),
    ("title: Ask", "title: Ask\n    match: [{field: id, equals: $credential.key_id}]", "`match` needs `items`"),
    ("is: alive}", "is: alive, when: {path: body.ok}}", "not a condition"),
    ("kind: idempotent", "kind: keyed", "`keyed` and `idempotency` belong together"),
    (
        "kind: idempotent",
        "kind: idempotent\n    manual: {link: 'https://x', steps: [a], asks: attest}",
        "either `request`",
    ),
    ("id: own", "id: own\nid: own", "stands here twice"),
]


def problems(text: str) -> list[str]:
    try:
        return [str(problem) for problem in check(load(text, "own.yaml"))]
    except InputProblems as error:
        return [str(problem) for problem in error.problems]


def test_a_good_manifest_has_no_problems() -> None:
    assert problems(GOOD) == []
    manifest = load_manifest(load(GOOD, "own.yaml"))
    assert (manifest.can("verify"), manifest.can("revoke"), manifest.can("create")) == ("api", "api", "")
    assert manifest.operations["revoke"].destructive


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_each_mistake_is_named_with_its_place(old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert any(message in problem for problem in found), found
    assert all(problem.startswith("own.yaml:") and not problem.startswith("own.yaml:0") for problem in found)


def test_a_secret_goes_into_a_header_by_an_auth_style_only() -> None:
    text = GOOD.replace("path: /me}", 'path: /me, headers: {X-Key: "$credential.secret"}}')
    assert any("may not stand in a header" in problem for problem in problems(text))


def test_own_manifests_join_the_shipped_ones_and_hide_them(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD)
    (tmp_path / "mine.yaml").write_text(
        GOOD.replace("id: own", "id: stripe").replace(EXAMPLE, "https://api.stripe.com")
    )
    catalogue = Catalogue.load([tmp_path])
    assert catalogue.get("own").name == "Own"
    assert catalogue.get("stripe").name == "Own"
    (tmp_path / "broken.yaml").write_text("provider: 1\n")
    with pytest.raises(InputProblems, match=r"broken\.yaml:1:1"):
        Catalogue.load([tmp_path])


def test_an_own_manifest_cannot_redirect_a_shipped_providers_credentials(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD.replace("id: own", "id: stripe"))
    with pytest.raises(InputProblems, match="origins of 'stripe' differ"):
        Catalogue.load([tmp_path])


def test_an_unknown_provider_is_told_with_the_known_ones() -> None:
    with pytest.raises(RunbookError) as caught:
        Catalogue.load().get("gitub")
    assert "did you mean github?" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ("ghp_" + "a" * 36, ("github", "personal access token (classic)")),
        ("AKIA" + "A" * 16, ("aws", "access key id")),
        ("sk-svcacct-" + "a" * 40, ("openai", "service account key")),
        ("sk_live_" + "a" * 24, ("stripe", "secret key")),
        ("hvs." + "a" * 24, ("openbao", "service token")),
    ],
)
def test_a_value_is_recognised_by_its_prefix(value: str, first: tuple[str, str]) -> None:
    assert Catalogue.load().recognise(Secret(value))[0] == first


def test_a_value_without_a_known_prefix_is_nobodys() -> None:
    assert Catalogue.load().recognise(Secret("correct horse battery staple")) == []


def _manifests() -> list[Any]:
    catalogue = Catalogue.load()
    return [pytest.param(catalogue.get(name), id=name) for name in catalogue.ids()]


@pytest.mark.parametrize("manifest", _manifests())
def test_each_shipped_provider_can_be_carried_through_a_response(manifest: Any) -> None:
    """Replace, end and prove: by API, by hand, or (proof only) with the reason why there is none."""
    assert manifest.can("create")
    assert manifest.can("revoke") or any(effect.verb == "revoke" for effect in manifest.operations["create"].effects), (
        "nothing ends the old key"
    )
    rules = manifest.operations["verify"].verdict
    assert {rule.state for rule in rules} >= {"alive"}
    assert any(rule.state == "dead" for rule in rules) or manifest.no_proof
    for operation in manifest.operations.values():
        assert operation.manual is None or operation.manual.steps
