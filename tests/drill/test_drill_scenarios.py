"""Scenarios are strict: what is wrong in one is said with its place, and every shipped one can be played."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook_tui.drill.scenario import default_scenario, list_scenarios, load_scenario
from runbook_tui.drill.vendor import check_imitable
from runbook_tui.foundation.clock import FakeClock, parse_instant
from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.providers.catalogue import Catalogue


def test_the_default_scenario_has_an_api_for_keys_and_the_other_a_dashboard(catalogue: Catalogue) -> None:
    """api-key-leaked has two: the default one creates keys by API, streampixel by hand and without overlap."""
    assert [one.id for one in list_scenarios("api-key-leaked")] == ["openai-key", "streampixel"]
    first, second = default_scenario("api-key-leaked"), load_scenario("streampixel")
    assert catalogue.get(first.provider).can("create") == "api"
    assert catalogue.get(second.provider).can("create") == "manual"
    assert catalogue.get(second.provider).overlap == "none"
    for one in (first, second):
        check_imitable(catalogue.get(one.provider))


def test_times_are_offsets_from_the_start() -> None:
    """The facts of a run are times of that run."""
    start = FakeClock().now()
    facts = load_scenario("openai-key").facts_at(start)
    assert (start - parse_instant(facts["exposed_since"])).total_seconds() == 25 * 60
    assert facts["used_by_others"] == "no"


def test_a_scenario_with_mistakes_names_each_place(tmp_path: Path) -> None:
    """file:line:column and a hint for a misspelt field, a wrong kind of time, and a consumer without its place."""
    source = Path(load_scenario("openai-key").file).read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(source.replace("brief:", "breif:").replace("created: -214d", "created: 2025-01-01"))
    with pytest.raises(InputProblems) as wrong:
        load_scenario(str(path))
    shown = str(wrong.value)
    assert "did you mean `brief`?" in shown
    assert f"{path}:14:3: error: `created` cannot be" in shown

    path.write_text(source.replace("variable: OPENAI_API_KEY, ", ""))
    with pytest.raises(InputProblems, match=r"mine.yaml:\d+:\d+: error: a consumer of kind env-file needs `variable`"):
        load_scenario(str(path))
    path.write_text(source.replace("secret: orders-webhook", "secret: upload-key"))
    with pytest.raises(InputProblems, match="two credentials are called 'upload-key'"):
        load_scenario(str(path))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """No scenario, no drill: both say what there is."""
    with pytest.raises(RunbookError) as wrong:
        load_scenario("openai-kex")
    assert "did you mean openai-key?" in wrong.value.hint
    with pytest.raises(RunbookError) as none:
        default_scenario("member-offboarded")
    assert "api-key-leaked" in none.value.hint
