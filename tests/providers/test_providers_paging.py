"""Promise: a list is read to its end in each way vendors page, and a list that was cut says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from provider_server import ProviderServer, Reply

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import CallOutcome, Engine
from runbook_tui.providers.manifest import Paginate
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

GITHUB = Catalogue.load().get("github")


def listed(paginate: Paginate, server: ProviderServer, items: str = "rows", **request: Any) -> CallOutcome:
    members = GITHUB.operations["members"]
    assert members.request is not None
    operation = replace(members, paginate=paginate, items=items, request=replace(members.request, **request))
    catalogue = Catalogue({"github": replace(GITHUB, operations={"members": operation})})
    binding = Binding("github", {"api": server.url + "/base"}, "k", {"org": "acme"})
    admin = Credential("admin", Secret("fake-admin-value-0001"), binding)
    return Engine(catalogue, Network(), FakeClock()).call(
        "members",
        {"admin": admin, "credential": replace(admin, secret=None, name="x", binding=replace(binding, key_id="l"))},
    )


def rows(*logins: str, **more: Any) -> Reply:
    return Reply(200, {"rows": [{"login": login} for login in logins], **more})


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_header_is_followed_below_the_same_origin(relative: bool) -> None:
    with ProviderServer() as server:
        place = "" if relative else server.url
        first = replace(rows("a"), headers={"Link": f'<{place}/base/orgs/acme/members?page=2>; rel="next"'})
        server.replies = [first, rows("b")]
        outcome = listed(Paginate("link"), server)
        assert server.seen[1].path == "/base/orgs/acme/members?page=2"
    assert [row["login"] for row in outcome.outputs["items"]] == ["a", "b"]
    assert outcome.outputs["complete"] is True


def test_a_next_address_in_the_body_is_followed_or_refused() -> None:
    with ProviderServer() as server:
        server.replies = [rows("a", next=server.url + "/base/more?x=1"), rows("b", next="https://evil.example/more")]
        outcome = listed(Paginate("next", source="next"), server)
        assert server.seen[1].path == "/base/more?x=1"
    assert (outcome.outputs["count"], outcome.outputs["complete"]) == (2, False)


def test_numbered_pages_end_with_an_empty_one() -> None:
    with ProviderServer(rows("a"), rows("b"), rows()) as server:
        outcome = listed(Paginate("page", send="page"), server)
        assert [seen.path.rpartition("page=")[2] for seen in server.seen] == ["100", "2", "3"]
    assert (outcome.outputs["count"], outcome.outputs["complete"]) == (2, True)


@pytest.mark.parametrize(("place", "request_"), [("json", {"json": {"a": 1}}), ("form", {"form": {"a": "1"}})])
def test_a_cursor_may_stand_in_the_body(place: str, request_: dict[str, Any]) -> None:
    with ProviderServer(rows("a", next="c2"), rows("b")) as server:
        outcome = listed(
            Paginate("cursor", send="after", place=place, source="next"), server, method="POST", **request_
        )
        assert server.seen[1].body == (b'{"a":1,"after":"c2"}' if place == "json" else b"a=1&after=c2")
    assert outcome.outputs["count"] == 2


def test_a_list_without_end_is_cut_and_says_so() -> None:
    with ProviderServer(rows("a", next="again")) as server:
        outcome = listed(Paginate("cursor", send="after", source="next", most=3), server)
        assert len(server.seen) == 3
    assert (outcome.outputs["count"], outcome.outputs["complete"]) == (3, False)
