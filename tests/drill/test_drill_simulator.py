"""The simulator behaves as the manifest says, towards the same engine that talks to the real provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from drill_stage import Stage

from runbook_tui.drill.dashboard import Pass, press
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Credential

Make = Callable[..., Stage]


def test_a_key_with_an_api_is_captured_replaced_revoked_and_seen_dead(stage: Make) -> None:
    """openai-key: alive; looked up; a new one lives beside it; the revoked one dies after the provider's lag."""
    here = stage("openai-key")
    engine, subjects = here.engine, here.subjects
    assert engine.verify(subjects).state == "alive"
    found = engine.call("inspect", subjects)
    assert found.outputs["id"] == "key_drill4711"
    assert found.outputs["last_used_at"]
    assert found.learned is not None
    subjects["credential"] = replace(subjects["credential"], binding=found.learned)

    made = engine.call("create", subjects)
    assert made.result == "done"
    assert made.new is not None
    new = {**subjects, "credential": made.new}
    assert engine.verify(new).state == "alive"
    assert engine.verify(subjects).state == "alive", "both keys work: the overlap is parallel"
    assert engine.call("inspect", new).outputs["id"] == made.new.binding.key_id

    assert engine.call("revoke", subjects).result == "done"
    assert engine.verify(subjects).state == "alive", "rotated is not dead: the provider's cache lags"
    here.clock.sleep(4)
    verdict = engine.verify(subjects)
    assert (verdict.state, verdict.proof) == ("dead", "refused")
    assert engine.verify(subjects, operation="inspect").proof == "listed"
    assert engine.call("revoke", subjects).already
    assert engine.verify(new).state == "alive"


def test_a_key_id_alone_finds_the_key_and_so_does_its_value(stage: Make) -> None:
    """Both ways of recognising a key in a list work: by id, and by the parts of the value that the list shows."""
    here = stage("openai-key")
    subjects = here.subjects
    binding = subjects["credential"].binding
    for secret, key_id in ((None, binding.key_id), (subjects["credential"].secret, "")):
        one = Credential("x", secret, replace(binding, key_id=key_id))
        assert here.engine.call("inspect", {**subjects, "credential": one}).outputs["found"]


def test_the_audit_shows_the_scenario_and_what_we_did(stage: Make) -> None:
    """Entries before the asked time stay out; our own changes are in it, signed by the admin's name."""
    here = stage("openai-key")
    here.engine.call("create", here.subjects)
    since = here.world.facts["exposed_since"]
    rows = here.engine.call("audit", here.subjects, {"since": since}).outputs["items"]
    assert [row["event"] for row in rows] == ["login.succeeded", "login.failed", "create"]
    assert rows[-1]["actor"] == "openai-admin"
    assert len(here.engine.call("audit", here.subjects).outputs["items"]) == 4


def test_only_the_admin_may_do_administrative_calls(stage: Make) -> None:
    """The leaked key itself, and a value nobody knows, are refused."""
    here = stage("openai-key")
    subjects = here.subjects
    unknown = replace(subjects["admin"], name="stranger", secret=Secret("sk-admin-nobody-knows-this-one"))
    assert here.engine.call("create", {**subjects, "admin": unknown}).status == 401
    ordinary = here.engine.call("create", subjects).new
    assert ordinary is not None
    refused = here.engine.call("create", {**subjects, "admin": replace(ordinary, name="other")})
    assert (refused.result, refused.status) == ("rejected", 403)


def test_streampixels_new_key_kills_the_old_one_within_its_rate_limit(stage: Make) -> None:
    """The dashboard's new key ends the old one at once; each proof takes the user's slot of two minutes."""
    here = stage("streampixel")
    engine, old = here.engine, here.subjects
    assert engine.verify(old).state == "alive"
    value = here.world.dashboard("create")
    new = {"credential": replace(old["credential"], name="new", secret=value)}
    assert 0 < engine.wait_for("verify", new) <= 120
    assert engine.verify(new).state == "alive"
    assert engine.verify(old).state == "dead"
    began = here.clock.now()
    assert engine.verify(old).proof == "refused"
    assert (here.clock.now() - began).total_seconds() > 100, "the engine waited for the slot"


def test_a_caller_that_ignores_the_rate_limit_gets_429(stage: Make) -> None:
    """The limit is the simulator's own, not only the client's good manners; 429 proves nothing about the key."""
    here = stage("streampixel")
    credential = here.subjects["credential"]
    base = credential.binding.origins["api"]
    assert credential.secret is not None
    body = (
        f'{{"projectId":"p","uploadId":"000000000000000000000000","userId":"user-drill-17",'
        f'"apiKey":"{credential.secret.expose()}"}}'
    ).encode()
    network = here.world.network(here.clock)
    request = Request("POST", f"{base}/projects/distribute-file", [("Content-Type", "application/json")], body)
    answers = [network.send(request, [base]).status for _ in range(2)]
    assert answers == [404, 429]
    assert here.engine.verify(here.subjects).state == "undetermined"
    here.clock.sleep(121)
    assert here.engine.verify(here.subjects).state == "alive"


def test_the_dashboard_needs_the_pass_and_a_button_that_exists(stage: Make) -> None:
    """Control is for holders of the private pass; another process of the same user may hold it."""
    here = stage("streampixel")
    way = Pass.load(here.world.folder)
    assert (here.world.folder / "dashboard.json").stat().st_mode & 0o777 == 0o600
    assert press(way, "create") != here.credential("streampixel-key").secret
    with pytest.raises(RunbookError, match="no 'verify'"):
        press(way, "verify")
    with pytest.raises(RunbookError, match="not for you"):
        press(replace(way, control="guess"), "create")


def test_a_person_requests_the_new_key_in_a_browser_or_with_curl(stage: Make) -> None:
    """The page names what is done by hand, marks itself as a drill, and shows the new key; without the token, 404."""
    here = stage("streampixel")
    url, network = here.world.dashboard_url, here.world.network(here.clock)

    def ask(method: str, path: str = "", accept: str = "text/html") -> tuple[int, str]:
        answer = network.send(Request(method, url + path, [("Accept", accept)]), [url])
        return answer.status, answer.body.decode()

    status, page = ask("GET")
    assert status == 200
    assert "DRILL" in page
    assert "Request a new API key" in page
    assert "<pre>drill-" in ask("POST", "/create")[1]
    status, value = ask("POST", "/create", "*/*")
    new = {"credential": replace(here.credential("streampixel-key"), secret=Secret(value.strip()))}
    assert here.engine.verify(new).state == "alive"
    assert ask("POST", "/verify")[0] == 404
    wrong = url[:-4] + "0000"
    assert network.send(Request("GET", wrong), [wrong]).status == 404


def test_the_secret_manager_keeps_versions_and_refuses_what_is_not_there(stage: Make) -> None:
    """A roll-out patches an entry that exists; the other fields stay; an unknown path or token is refused."""
    here = stage("openai-key")
    admin = here.credential("drill-openbao")
    subjects = {"admin": admin, "new": here.credential("openai-admin")}
    place = {"mount": "secret", "path": "upload/nightly"}
    assert here.engine.verify({"credential": admin}).state == "alive"
    assert here.engine.call("stored", subjects, place).outputs["version"] == 1
    assert here.engine.call("rollout", subjects, {**place, "field": "api_key"}).outputs["version"] == 2
    assert here.engine.call("stored", subjects, place).outputs["version"] == 2
    assert here.engine.call("rollout", subjects, {**place, "path": "no/such"}).status == 404
    assert here.engine.call("rollout_create", subjects, {**place, "field": "x"}).status == 400
    stranger = replace(admin, name="stranger", secret=Secret("s.thisisnottherighttoken0000"))
    assert here.engine.call("rollout", {**subjects, "admin": stranger}, {**place, "field": "x"}).result == "rejected"
    assert here.engine.verify({"credential": stranger}).state == "dead"


def test_every_read_of_both_scenarios_is_answered(stage: Make) -> None:
    """No read of the imitated manifests ends in an answer that the engine cannot take."""
    for scenario in ("openai-key", "streampixel"):
        here = stage(scenario, folder=scenario)
        manifest = here.catalogue.get(here.world.scenario.provider)
        for operation in manifest.operations.values():
            if operation.automatic and not operation.effects:
                outcome = here.engine.call(operation.id, here.subjects)
                assert outcome.result == "done", (scenario, operation.id, outcome.reason)
                here.clock.sleep(121)


def test_a_service_uses_a_new_key_only_after_it_reloaded(stage: Make) -> None:
    """Stored is not loaded: the health page turns 200 when the service runs on another key than the leaked one."""
    here = stage("openai-key")
    network = here.world.network(here.clock)

    def health(consumer: str) -> int:
        url = here.world.inventory.consumers[consumer].used.url
        return network.send(Request("GET", url), [url]).status

    new = here.engine.call("create", here.subjects).new
    assert new is not None
    assert new.secret is not None
    web = here.world.inventory.consumers["web"]
    Path(web.path).write_text(f"{web.variable}={new.secret.expose()}\n")
    here.engine.call(
        "rollout",
        {"admin": here.credential("drill-openbao"), "new": new},
        {"mount": "secret", "path": "upload/nightly", "field": "api_key"},
    )
    assert (health("web"), health("nightly")) == (503, 503)
    here.clock.sleep(7)
    assert (health("web"), health("nightly")) == (200, 503)
    here.clock.sleep(7)
    assert (health("web"), health("nightly")) == (200, 200)
    used = here.engine.call("inspect", {**here.subjects, "credential": new}).outputs["last_used_at"]
    assert used >= "2026-01-01T00:00:14"


def test_without_a_drill_time_the_world_runs_on_real_time(stage: Make) -> None:
    """A plain client is served too: time then is the machine's, and it never goes back."""
    from runbook_tui.net.client import Network

    here = stage("openai-key")
    url = here.world.inventory.consumers["web"].used.url
    answer = Network(only=here.world.address).send(Request("GET", url), [url])
    assert time.strftime("%Y-").encode() in answer.body
