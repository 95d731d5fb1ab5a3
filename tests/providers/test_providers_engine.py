"""Promise: an outcome never claims more than was seen, and no secret is in anything the engine hands back."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from provider_server import ProviderServer, Reply

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

LEAKED = "sk-svcacct-" + "leaked0" * 5
ADMIN = "sk-admin-" + "admin00" * 5
FRESH = "sk-svcacct-" + "fresh00" * 5
CATALOGUE = Catalogue.load()


def subjects(url: str, **changes: str) -> dict[str, Credential]:
    attributes = {"project_id": "proj_1", "service_account_id": "user-1", **changes}
    leaked = Credential("leaked", Secret(LEAKED), Binding("openai", {"api": url}, "key_1", attributes))
    admin = Credential("admin", Secret(ADMIN), Binding("openai", {"api": url}))
    return {"credential": leaked, "admin": admin}


def engine(clock: FakeClock | None = None, **more: Any) -> Engine:
    return Engine(CATALOGUE, Network(), clock or FakeClock(), **more)


def nothing_secret(*things: object) -> None:
    for thing in things:
        text = repr(thing)
        assert not any(value in text for value in (LEAKED, ADMIN, FRESH)), text


@pytest.mark.parametrize(
    ("status", "state", "proof"),
    [(200, "alive", "none"), (401, "dead", "refused"), (403, "alive", "none"), (429, "undetermined", "none")]
    + [(status, "undetermined", "none") for status in (302, 404, 500, 502, 503)],
)
def test_only_a_refusal_is_death(status: int, state: str, proof: str) -> None:
    with ProviderServer(Reply(status, {"error": {"message": f"no: {LEAKED}"}})) as server:
        verdict = engine().verify(subjects(server.url))
    assert (verdict.state, verdict.proof) == (state, proof)
    nothing_secret(verdict)


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_page_that_is_not_the_api_proves_nothing(status: int) -> None:
    with ProviderServer(Reply(status, b"<html>sign in to the guest network</html>")) as server:
        assert engine().verify(subjects(server.url)).state == "undetermined"


def test_no_network_is_undetermined() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    verdict = engine().verify(subjects(url))
    assert (verdict.state, verdict.evidence["fault"], verdict.evidence["tries"]) == ("undetermined", "refused", 3)


def test_create_hands_back_a_credential_that_inherits_its_binding() -> None:
    body = {"id": "user-2", "name": "n", "created_at": 1_800_000_000, "api_key": {"id": "key_2", "value": FRESH}}
    with ProviderServer(Reply(200, body)) as server:
        called: list[int] = []
        outcome = engine().call(
            "create", subjects(server.url), {}, operation_id="ab" * 16, sending=lambda: called.append(len(server.seen))
        )
        seen = server.seen[0]
    assert outcome.result == "done"
    assert called == [0]
    assert outcome.new is not None
    assert outcome.new.secret == Secret(FRESH)
    assert outcome.new.binding.key_id == "key_2"
    assert outcome.new.binding.attributes == {"project_id": "proj_1", "service_account_id": "user-2"}
    assert outcome.new.binding.origins == {"api": server.url}
    assert outcome.outputs["created_at"] == "2027-01-15T08:00:00.000000Z"
    assert (seen.method, seen.path) == ("POST", "/organization/projects/proj_1/service_accounts")
    assert seen.headers["authorization"] == f"Bearer {ADMIN}"
    assert seen.json() == {"name": "runbook-abababab"}
    nothing_secret(outcome)


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply(200, {"id": "x", "deleted": True}), "done"),
        (Reply(404, {"error": {"message": "no such account"}}), "done"),
        (Reply(400, {"error": {"message": "bad"}}), "rejected"),
        (Reply(401, {}), "rejected"),
        (Reply(429, {}), "rejected"),
        (Reply(500, {}), "unknown"),
        (Reply(503, {}), "unknown"),
        (Reply(302, None, {"Location": "http://127.0.0.1:9/"}), "unknown"),
        (Reply(204, None), "unknown"),
    ],
)
def test_a_change_is_sent_once_and_its_result_is_named(reply: Reply, result: str) -> None:
    with ProviderServer(reply) as server:
        outcome = engine().call("revoke", subjects(server.url))
        assert outcome.result == result
        assert outcome.already is (reply.status == 404)
        assert len(server.seen) == 1
        assert server.seen[0].path == "/organization/projects/proj_1/service_accounts/user-1"


def test_a_change_that_cannot_be_sent_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    called: list[int] = []
    outcome = engine().call("revoke", subjects(url), sending=lambda: called.append(1))
    assert (outcome.result, called) == ("not_sent", [])


def test_a_change_whose_answer_is_lost_is_unknown() -> None:
    """The provider read the request and the connection broke: it may have been executed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        read: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                read.append(connection.recv(65536))

        server = threading.Thread(target=serve)
        server.start()
        outcome = engine().call("revoke", subjects(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        server.join()
    assert (outcome.result, outcome.evidence["fault"], len(read)) == ("unknown", "cut", 1)
    nothing_secret(outcome)


def test_an_answer_without_the_secret_is_unknown() -> None:
    """The key was made and nobody has it: never called done, never called rejected."""
    for body in (b"<html>", {"id": "user-2"}):
        with ProviderServer(Reply(200, body)) as server:
            outcome = engine().call("create", subjects(server.url))
        assert outcome.result == "unknown"
        assert outcome.reason


def test_reads_are_tried_three_times_and_wait_on_the_injected_clock() -> None:
    clock = FakeClock()
    limited = Reply(429, {}, {"Retry-After": "20"})
    good = Reply(200, {"data": [], "has_more": False})
    with ProviderServer(limited, limited, good) as server:
        outcome = engine(clock).call("inventory", subjects(server.url))
        assert (outcome.result, outcome.evidence["tries"]) == ("done", 3)
        assert len(server.seen) == 3
    assert clock.mono_ns() >= 40e9


def test_the_list_is_read_to_its_end_and_the_key_is_found_by_its_redaction() -> None:
    """The key id is not known: the redacted value has to fit exactly one key."""
    shown = LEAKED[:12] + "********" + LEAKED[-4:]
    first = {"data": [{"id": "key_0", "redacted_value": "sk-abc***xyz1"}], "has_more": True, "last_id": "key_0"}
    second = {
        "data": [
            {"id": "key_1", "redacted_value": shown, "owner": {"service_account": {"id": "user-9", "name": "ci"}}}
        ],
        "has_more": False,
    }
    with ProviderServer(Reply(200, first), Reply(200, second)) as server:
        about = subjects(server.url)
        about["credential"] = replace(about["credential"], binding=replace(about["credential"].binding, key_id=""))
        outcome = engine().call("inspect", about)
        assert "after=key_0" in server.seen[1].path
    assert outcome.outputs["found"] is True
    assert outcome.outputs["listed"] == 2
    assert outcome.learned is not None
    assert outcome.learned.key_id == "key_1"
    assert outcome.learned.attributes["service_account_id"] == "user-9"


@pytest.mark.parametrize(
    ("data", "more", "state"),
    [
        ([], False, "dead"),
        ([{"id": "key_1"}], False, "alive"),
        ([{"id": "key_1"}] * 2, False, "undetermined"),
        ([{"id": "key_7"}], True, "undetermined"),
    ],
)
def test_listed_as_gone_needs_the_whole_list(data: list[Any], more: bool, state: str) -> None:
    body = {"data": data, "has_more": more, "last_id": "key_7"}
    with ProviderServer(Reply(200, body)) as server:
        verdict = engine().verify(subjects(server.url), operation="inspect")
    assert verdict.state == state
    assert verdict.proof == ("none" if state == "undetermined" else "listed")


def test_the_preview_is_the_request_with_masks() -> None:
    preview = engine().preview("revoke", subjects("https://api.example.com/v1"))
    assert preview.method == "DELETE"
    assert preview.url == "https://api.example.com/v1/organization/projects/proj_1/service_accounts/user-1"
    assert preview.destructive
    assert not preview.reversible
    assert "key_1" in preview.sentence
    nothing_secret(preview)


def test_the_leaked_credential_does_not_sign_for_its_own_case() -> None:
    about = subjects("https://api.example.com/v1")
    about["admin"] = replace(about["credential"], name="other-name")
    with pytest.raises(RunbookError, match="leaked credential itself"):
        engine().call("revoke", about)


def test_missing_subjects_and_facts_are_said_before_anything_is_sent() -> None:
    with ProviderServer() as server:
        about = subjects(server.url, service_account_id="")
        with pytest.raises(RunbookError, match="service_account_id of leaked is not known"):
            engine().call("revoke", about)
        with pytest.raises(RunbookError, match="needs a credential as admin"):
            engine().call("revoke", {"credential": about["credential"]})
        with pytest.raises(RunbookError, match="has no operation"):
            engine().call("explode", about)
        with pytest.raises(RunbookError, match="takes no argument"):
            engine().call("create", about, {"nam": "x"})
        assert server.seen == []


def test_a_value_cannot_change_the_path() -> None:
    with ProviderServer() as server:
        for value, path in (("a/b?c#d", "a%2Fb%3Fc%23d"), ("a b", "a%20b")):
            engine().call("revoke", subjects(server.url, service_account_id=value))
            assert server.seen[-1].path.endswith("/service_accounts/" + path)
        outcome = engine().call("revoke", subjects(server.url, service_account_id=".."))
        assert (outcome.result, outcome.evidence["fault"]) == ("not_sent", "blocked")
        assert len(server.seen) == 2


def test_the_fixed_interval_survives_a_restart(tmp_path: Path) -> None:
    """Streampixel answers one request in two minutes, and a second process knows."""
    clock, waits = FakeClock(), []
    with ProviderServer(Reply(404, {"message": "not found"}), Reply(401, {"message": "Invalid API Key"})) as server:
        about = Credential("k", Secret(LEAKED), Binding("streampixel", {"api": server.url}, "", {"user_id": "u1"}))
        for _ in range(2):
            fresh = engine(clock, pace_file=tmp_path / "pace.json", waiting=lambda seconds, why: waits.append(seconds))
            verdict = fresh.verify({"credential": about})
        assert server.seen[0].json()["apiKey"] == LEAKED
    assert verdict.state == "dead"
    assert waits == [120.0]
    assert LEAKED not in (tmp_path / "pace.json").read_text()


def test_a_limit_that_cannot_be_written_is_still_kept(tmp_path: Path) -> None:
    """A full or read-only disk must not lose the outcome of a request that was sent."""
    (tmp_path / "file").write_text("not a folder")
    waits: list[float] = []
    with ProviderServer(Reply(404, {"message": "not found"})) as server:
        about = Credential("k", Secret(LEAKED), Binding("streampixel", {"api": server.url}, "", {"user_id": "u1"}))
        careful = engine(pace_file=tmp_path / "file" / "pace.json", waiting=lambda seconds, why: waits.append(seconds))
        assert [careful.verify({"credential": about}).state for _ in range(2)] == ["alive", "alive"]
    assert waits == [120.0]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data": [{"created_at": 1e999}], "has_more": NaN}', b"1" * 9000, b"\xff"]
)
def test_hostile_json_is_a_clear_outcome(body: bytes) -> None:
    with ProviderServer(Reply(200, body)) as server:
        outcome = engine().call("inventory", subjects(server.url))
    assert outcome.result == "unknown"
    assert "JSON" in outcome.reason


def test_a_wait_can_be_ended(tmp_path: Path) -> None:
    wake = threading.Event()
    with ProviderServer(Reply(404, {"message": "not found"})) as server:
        about = Credential("k", Secret(LEAKED), Binding("streampixel", {"api": server.url}, "", {"user_id": "u1"}))
        patient = engine(wake=wake)
        patient.verify({"credential": about})
        wake.set()
        assert patient.verify({"credential": about}).state == "undetermined"
        assert len(server.seen) == 1


def test_what_is_done_by_hand_says_how() -> None:
    about = Credential("k", Secret(LEAKED), Binding("streampixel", {}, "", {"user_id": "u1"}))
    task = engine().manual("create", {"credential": about})
    assert task is not None
    assert task.asks == "secret"
    assert task.link.startswith("https://dashboard.streampixel.io")
    with pytest.raises(RunbookError, match="by hand") as caught:
        engine().call("create", {"credential": about})
    assert "Request API Key" in caught.value.hint


def test_the_sending_callback_can_stop_the_call() -> None:
    def refuse() -> None:
        raise RunbookError("the journal cannot be written")

    with ProviderServer() as server, pytest.raises(RunbookError, match="journal"):
        engine().call("revoke", subjects(server.url), sending=refuse)
    assert server.seen == []


def test_another_origin_in_a_next_link_is_not_followed() -> None:
    with ProviderServer() as elsewhere:
        link = {"Link": f'<{elsewhere.url}/keys?page=2>; rel="next"'}
        with ProviderServer(Reply(200, [], link)) as server:
            manifest = CATALOGUE.get("openai")
            from runbook_tui.providers.manifest import Paginate

            listing = replace(manifest.operations["inventory"], paginate=Paginate("link"), items="@")
            own = Catalogue({"openai": replace(manifest, operations={"inventory": listing})})
            outcome = Engine(own, Network(), FakeClock()).call("inventory", subjects(server.url))
        assert outcome.outputs["complete"] is False
        assert elsewhere.seen == []
