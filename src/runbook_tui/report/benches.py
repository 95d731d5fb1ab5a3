"""The webhook benches of an incident: a table of cases each, what it proves, what stays open, likely causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runbook_tui.report.safe import inline
from runbook_tui.report.view import View, table, utc


def benches(view: View) -> list[str]:
    """One part for each bench that ran; cases that do not apply to the scheme are counted, not listed."""
    found: list[str] = []
    for event in view.of("deliveries"):
        data = event.data
        cases = [one for one in data.get("results") or () if isinstance(one, Mapping)]
        shown = [one for one in cases if one.get("verdict") != "not_applicable"]
        ways = [*((data.get("transport") or {}).get("findings") or ()), *(data.get("checks") or ())]
        shown += [one for one in ways if one.get("verdict") in ("fail", "warn")]
        found += [f"### Webhook endpoint {view.free(data.get('endpoint'))}, {utc(event.ts)}", ""]
        found += [_summary(view, data, len(cases) - len([one for one in cases if one in shown])), ""]
        found += table(
            ("case", "delivery", "expected", "answer", "acted on", "verdict", "reason"),
            [_case(view, one) for one in shown],
        )
        found += _listed("Proven", (view.fact(one) for one in data.get("proven") or ()))
        found += _listed("Open", (view.free(one) for one in data.get("open") or ()))
        found += _listed("Likely causes", (_advice(view, one) for one in data.get("diagnosis") or ()))
    return found


def _summary(view: View, data: Mapping[str, Any], left_out: int) -> str:
    facts = [
        f"Scheme {view.fact(data.get('scheme'))}",
        f"rotation {view.fact(data.get('rotation'))}",
        f"endpoint {view.fact(data.get('verdict'))}",
        f"observer: {view.fact(data.get('observer'))}",
        f"{view.fact(data.get('requests'))} requests",
        f"{left_out} cases do not apply",
    ]
    if data.get("stopped"):
        facts.append(f"ended early: {view.free(data['stopped'])}")
    return f"{', '.join(facts)}."


def _case(view: View, one: Mapping[str, Any]) -> tuple[str, ...]:
    acted = one.get("acted")
    return (
        inline(one.get("id")),
        inline(one.get("title")),
        inline(one.get("expected"), "good"),
        inline(one.get("status"), "none"),
        "not shown" if acted is None else inline(acted),
        inline(one.get("verdict")),
        view.free(one.get("reason"), "no more said"),
    )


def _advice(view: View, one: Mapping[str, Any]) -> str:
    return f"{view.free(one.get('cause'))}: {view.free(one.get('fix'), 'no more said', 600)}"


def _listed(title: str, texts: Iterable[str]) -> list[str]:
    lines = [f"- {text}" for text in texts]
    return [f"{title}:", "", *lines, ""] if lines else []
