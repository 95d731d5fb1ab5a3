"""Which cases are planned for which scheme."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bench_kit import SCHEMES, owned, scope_of
from delivery_kit import facts_of

from runbook_tui.webhooks.cases import diagnostics, plan
from runbook_tui.webhooks.planned import LIMIT, LOOKS, Knowledge, Planned, requests
from runbook_tui.webhooks.scheme import Scheme
from runbook_tui.webhooks.tokens import near_misses


def planned(scheme: Scheme, **known: Any) -> dict[str, Planned]:
    misses = ()
    if scheme.kind == "url-token":
        found = near_misses("https://example.com/h", owned(scheme, "new").sender, owned(scheme, "old").sender)
        misses = tuple((one.id, one.title) for one in found)
    given = {"old": True, "scope": scope_of(scheme), "facts": frozenset(facts_of(scheme)), "misses": misses, **known}
    cases = plan(scheme, Knowledge(**given))
    assert len({one.id for one in cases}) == len(cases)
    return {one.id: one for one in cases}


@pytest.mark.parametrize("name", SCHEMES.ids())
def test_every_scheme_has_every_case_or_the_reason_why_not(name: str) -> None:
    """P1 to P5 and N1 to N15 for each scheme, 60 requests at most with everything that may be asked for."""
    scheme = SCHEMES.get(name)
    for signs in {True, scheme.kind != "vendor-key"}:
        cases = planned(scheme, signs=signs, other=True, acting=True)
        families = {one.partition("-")[0] for one in cases}
        wanted = {f"N{number}" for number in range(1, 16)} | {f"P{number}" for number in range(1, 6)}
        assert wanted <= families
        assert all(one.sends or one.skip or one.open for one in cases.values())
        assert requests(list(cases.values())) + LOOKS + 1 + len(diagnostics(scheme)) <= LIMIT
        order = list(cases)
        assert order[0] == "P1"
        assert set(order[order.index("P2") + 1 :]) <= {f"N13-{abuse.name}" for abuse in scheme.abuse}


def test_a_scheme_with_too_many_fields_stays_within_the_limit() -> None:
    """The least important cases are left out, and say so."""
    scheme = replace(SCHEMES.get("stripe"), covers=(*(f"fields:/f{number}" for number in range(60)), "ts"))
    cases = planned(scheme)
    assert requests(list(cases.values())) + LOOKS + 1 + len(diagnostics(scheme)) <= LIMIT
    assert any("more than 60" in one.skip for one in cases.values())
    assert cases["P1"].sends and cases["N1"].sends and cases["N3"].sends  # noqa: PT018 - one statement


@pytest.mark.parametrize(
    ("name", "case", "why"),
    [
        ("github", "N5", "signs no time"),
        ("github", "N9", "does not sign the id"),
        ("github", "P5-new-first", "holds one signature"),
        ("mailgun", "N2", "does not sign the body"),
        ("mailgun", "P4", "inside the body"),
        ("twilio", "P4", "no JSON"),
        ("gitlab", "N14", "keyed hash"),
        ("streampixel", "N2", "nothing is signed"),
        ("asana", "N8-replay", "no id"),
        ("sns", "N13-unsigned-subscription", "may change the endpoint"),
        ("telegram", "N12-method", "new secret"),
    ],
)
def test_a_case_that_says_nothing_is_left_out_with_its_reason(name: str, case: str, why: str) -> None:
    assert why in planned(SCHEMES.get(name))[case].skip


def test_what_only_the_operator_can_give_leaves_a_case_open() -> None:
    """Not "not applicable": the old secret, a verify token, a vendor's delivery."""
    assert "old secret" in planned(SCHEMES.get("github"), old=False)["N1"].open
    assert "verify_token" in planned(SCHEMES.get("meta"), facts=frozenset())["P3-subscribe"].open
    assert "only the vendor" in planned(SCHEMES.get("discord"), signs=False)["P1"].open


@pytest.mark.parametrize("name", [name for name in SCHEMES.ids() if SCHEMES.get(name).carries_secret])
def test_no_negative_holds_a_secret_that_travels(name: str) -> None:
    """Neither as it is nor spoiled; and there is no diagnosis with other forms of it."""
    scheme = SCHEMES.get(name)
    for one in planned(scheme, acting=True).values():
        if one.sends and one.case.signed and one.expect in ("refuse", "survive", "abuse"):
            assert "new" not in one.case.secrets
    assert diagnostics(scheme) == []
