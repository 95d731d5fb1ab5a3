"""The Markdown report: its sections, its honesty about what is not known, and that nothing foreign becomes markup."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_story import BOOK, Story, whole

from runbook_tui.incident.events import KINDS
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.report.markdown import SECTIONS
from runbook_tui.report.safe import block, inline, label
from runbook_tui.report.words import _SAY

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "# heading",
    "a\n# heading\n\n---\n",
    "```\nmermaid\n```",
    "~~~mermaid\ngantt\n~~~",
    "| a | b |\n| --- | --- |",
    "<http://evil.example>",
    "[a]: http://evil.example\n[a]",
    "&lt;b&gt; &#60;b&#62;",
    "**bold** _it_ `code`",
    "1. one\n- two\n> quote",
    "x\\",
    "\u202egnp.exe\x1b]52;c;aGk=\x07",
    "x :crit, 2020-01-01, 0s\n    section evil",
    "click a call evil()",
    "====",
    "\r\n\r\n    indented",
    "—",
    "",
    "   ",
]


def parsed(text: str) -> list[Token]:
    flat: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        flat += [token, *(token.children or [])]
    return flat


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [
        tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]


def cells(text: str) -> list[str]:
    """The text of every table cell, entities resolved."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [
        "".join(child.content for child in tokens[index + 1].children or [])
        for index, token in enumerate(tokens)
        if token.type == "td_open"
    ]


def section(text: str, number: str) -> str:
    return re.split(r"^## ", text.split(f"\n## {number}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def shape(text: str) -> list[str]:
    """Everything that is markup: block structure and inline elements, texts left out."""
    return [token.type for token in parsed(text) if token.type not in ("text", "inline")]


def test_sections_stand_in_order() -> None:
    """Promise: a CommonMark parser sees all sections, in their order."""
    assert headings(whole().report()) == [title for title, _ in SECTIONS]
    assert headings(Story().report()) == [title for title, _ in SECTIONS]


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    """Promise: whatever stands in any foreign field, the report has no HTML, image, link or heading of its making."""
    assert_harmless(text, "live")


@pytest.mark.parametrize("text", HOSTILE)
def test_known_attacks_stay_text(text: str) -> None:
    """Promise: the usual attacks on Markdown and Mermaid are shown as text."""
    assert_harmless(text, "live")
    assert_harmless(text, text)


def assert_harmless(text: str, mode: str) -> None:
    steps = tuple(Step(step.id, step.phase, text, target=step.target) for step in BOOK.steps)
    book = Playbook(text, text, 300, steps, source=text)
    report = whole(text, mode).report(book)
    tokens = parsed(report)
    types = {token.type for token in tokens}
    assert not types & {"html_block", "html_inline", "image", "link_open", "code_block", "blockquote_open", "hr",
                        "em_open", "ordered_list_open", "softbreak", "hardbreak"}, types  # fmt: skip
    titles = [token.tag for token in tokens if token.type == "heading_open"]
    assert titles == [token.tag for token in parsed(whole("plain").report()) if token.type == "heading_open"]
    fences = [token.info for token in tokens if token.type == "fence"]
    assert fences == ["mermaid", "text", "text"], "the chart, the playbook, an attached file"
    gantt_holds(next(token.content for token in tokens if token.info == "mermaid"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", report)


@pytest.mark.parametrize("text", ["plain words", "Ünïcode 文字"])
def test_the_same_markup_for_any_text(text: str) -> None:
    """The structure of a report depends on the facts, not on what they say."""
    assert shape(whole(text).report()) == shape(whole("other").report())


def gantt_holds(content: str) -> None:
    """Every line of the chart is one of the forms that the renderer is known to read as meant."""
    lines = content.rstrip("\n").split("\n")
    assert lines[0] == "gantt"
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    forms = [
        r"    title [^:;#]* response, UTC",
        r"    dateFormat YYYY-MM-DDTHH:mm:ss",
        r"    axisFormat %H:%M:%S",
        r"    section (Exposure|Live keys|Steps|Milestones)",
        rf"    \d+ ?[^:#;<>\[\]{{}}()`\"'%-]* :(crit|done|active), \w+, ({time}), ({time})",
        rf"    [A-Z][a-z ]+ :milestone, m\d, {time}, 0s",
    ]
    ids = re.findall(r":\w+, (\w+),", content)
    assert len(ids) == len(set(ids))
    for line in lines[1:]:
        match = next((found for form in forms if (found := re.fullmatch(form, line))), None)
        assert match, line
        if len(match.groups()) == 3:
            assert datetime.fromisoformat(match[2]) <= datetime.fromisoformat(match[3])


def test_the_chart_shows_what_is_known() -> None:
    """Promise: the chart has the exposure, the life of the keys, the steps and the milestones."""
    chart = section(whole("x").report(), "4.")
    for line in (
        "1 may be public :crit, x1a, 2025-11-20T08:40:00, 2025-11-20T09:12:30",
        "Detected :milestone, m0, 2025-11-20T09:12:30, 0s",
        "4 Revoke the leaked key :done, s4, 2025-11-20T09:14:50, 2025-11-20T09:15:20",
    ):
        assert line in chart


def test_what_is_not_known_says_so() -> None:
    """Promise: a run with nothing but its opening prints `not determined`, and no 0, `None` or blank for a fact."""
    story = Story().add("opened", incident="inc-1", mode="live", title="t", target=300)
    story.add("subject", slot="leaked", kind="credential", name="k")
    for text in (story.report(), story.report(None), Story().report()):
        assert "None" not in text
        assert "nan" not in text.split()
        assert text.count("not determined") > 20
    text = story.report()
    for metric in ("Exposure window", "Time to detect", "Time to roll out", "Attacker dwell"):
        assert re.search(rf"^\| {metric} \| not determined \|", text, re.MULTILINE), metric
    assert "0 of 1 dead" in text
    assert "none was recorded" in section(text, "8.")
    assert "Consumers proven live | none known" in text


def test_every_event_is_in_the_timeline() -> None:
    """Promise: section 10 has one row per event, numbered as in the journal."""
    story = whole("x")
    rows = re.findall(r"^\| (\d+) \|", section(story.report(), "10."), re.MULTILINE)
    assert [int(row) for row in rows] == [event.seq for event in story.events]


def test_every_kind_has_its_words() -> None:
    """Promise: no kind of event falls back to its bare name, and the story above has each of them."""
    assert set(_SAY) == set(KINDS) == {event.kind for event in whole("x").events}


def test_event_time_and_recorded_time_are_kept_apart() -> None:
    """Promise: a note about an earlier moment shows both times."""
    story = Story().add("opened", incident="i", mode="live", title="t", target=300)
    story.add("note", text="saw the alert", at="2025-11-20T08:00:00Z")
    assert "| 2025-11-20 08:00:00 (stated) | 09:13:15.000000 |" in section(story.report(), "10.")


@pytest.mark.parametrize(("mode", "word"), [("drill", "DRILL"), ("dry-run", "DRY")])
def test_a_report_of_no_live_incident_says_so_everywhere(mode: str, word: str) -> None:
    """Promise: a banner at the top and end, and the mode in every heading; a live report has neither."""
    text = whole("x", mode).report()
    assert all(word in heading for heading in headings(text))
    assert text.count(": this is a") == 2
    live = whole("x").report()
    assert "DRILL" not in live
    assert "this is a" not in live


def unsure() -> Story:
    story = Story().add("opened", incident="i", mode="live", title="t", target=300)
    for slot in ("one", "two", "three"):
        story.add("subject", slot=slot, kind="credential", name=f"key {slot}")
    story.add("intent", op="9", step="revoke", operation="revoke", subject="one", what="revoke key one")
    story.add("sending", op="9").add("outcome", op="9", result="unknown", reason="the reply was lost")
    story.add("attested", slot="two", side="old", by="bob", what="gone from the dashboard")
    story.add("waiver", line="old:three", name="carol", reason="no dashboard")
    return story


def test_unknown_open_and_waived_are_stated_plainly() -> None:
    """Promise: an unknown outcome, an open line, a waiver and a mere attestation each stand in the residual risk."""
    text = unsure().report()
    risk = section(text, "15.")
    assert "UNKNOWN OUTCOME: revoke key one" in risk
    assert "OPEN: key one dead" in risk
    assert "WAIVED, not proven: key three dead, by carol" in risk
    assert "Only attested, nothing was seen: key two" in risk
    assert "outcome of 1 calls is unknown" in section(text, "1.")
    actions = section(text, "13.")
    assert "close the open line: key one dead" in actions
    assert "revisit the waiver: key three dead" in actions


def test_grades_are_never_mixed() -> None:
    """Promise: refused, listed, attested and waived are counted apart, and the closed-loop count stands below."""
    story = unsure()
    for slot, proof in (("one", "listed"),):
        story.add("verification", step="x", slot=slot, side="old", verdict="dead", proof=proof, reason="r")
    grades = section(story.report(), "5.")
    for grade, count in (("refused", 0), ("listed", 1), ("attested", 1), ("waived", 1)):
        assert re.search(rf"\| {grade} \| [^|]* \| {count} \|", grades), grade
    assert "Closed loop: 2 of 3 dead, 0 of 0 live." in grades


def test_an_override_is_named() -> None:
    """Promise: an order against the advice says so, with the rule, the options and the operator's reason."""
    story = Story().add("opened", incident="i", mode="live", title="t", target=300)
    story.add("decision", order="replace_first", recommended="contain_first", rule="O1", why="used by others",
              reason="payroll runs tonight", options=["contain_first", "replace_first"])  # fmt: skip
    text = section(story.report(), "8.")
    for said in ("AGAINST THE ADVICE, rule O1", "payroll runs tonight", "used by others", "contain first"):
        assert said in text


def test_a_public_report_withholds() -> None:
    """Promise: `public` drops people, hosts, names, free text and sections 8, 9, 16 and the evidence."""
    secretive = "Canary-Person at host canary.example"
    text = whole(secretive).report(public=True)
    told = section(text, "10.") + section(text, "5.") + section(text, "6.") + section(text, "15.")
    shown = [heading.split(".")[0] for heading in headings(text)]
    assert not {"8", "9", "16", "Appendix A"} & set(shown)
    assert "1 of 1 dead" in text
    quiet = Story().add(
        "opened", incident="i", mode="live", title="Canary", target=300, commander="Canary", host="Canary"
    )
    quiet.add("subject", slot="leaked", kind="credential", name="Canary", provider_name="GitHub", key_id="Canary")
    quiet.add("note", text="Canary said hello", actor="Canary").add("driver", name="Canary")
    quiet.add("consumer", id="c", kind="env", title="Canary", credential="leaked", where="Canary", proof="health")
    quiet.add("waiver", line="old:leaked", name="Canary", reason="Canary")
    quiet.add("facts", values={"how": "Canary"}).add("step_skipped", step="audit", reason="Canary")
    quiet.add("audit", step="audit", since="", until="", items=[{"a": "Canary"}], evidence={"request": "Canary"})
    quiet.add("attested", slot="leaked", side="old", by="Canary", what="Canary")
    assert "Canary" in quiet.report()
    assert "Canary" not in quiet.report(public=True)
    assert "note: (withheld)" in told


def test_the_head_is_printed_with_what_it_proves() -> None:
    """Promise: appendix B holds the head, and says what the chain does not prove."""
    text = section(whole("x").report(head=(49, "ab" * 32)), "Appendix B")
    assert f"event 49, SHA-256 {'ab' * 32}" in text
    assert "does not show" in text
    assert "Head of the journal: not determined" in section(whole("x").report(), "Appendix B")


def test_tables_are_read_as_tables() -> None:
    """Promise: a bar in a value does not make a new column."""
    story = Story().add("opened", incident="i", mode="live", title="a | b", target=300, host="x|y\\|z")
    assert "x|y\\|z" in cells(story.report())


@settings(max_examples=200, deadline=None)
@given(st.text())
@example("`" * 40)
@example("a\n```\nb")
def test_a_block_holds_its_text(text: str) -> None:
    """Promise: no text leaves its fence."""
    tokens = MarkdownIt("commonmark").parse("\n".join([*block(text), "", "after"]))
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].info == "text"


@given(st.text())
def test_inline_text_reads_as_itself(text: str) -> None:
    """Promise: escaping changes how it is written, not how it reads."""
    escaped = inline(text, "", 10_000)
    children = MarkdownIt("commonmark").parseInline(f"x {escaped} x")[0].children or []
    shown = "".join(child.content for child in children)
    expected = "".join(re.sub(r"\s", "", text).split())
    if expected.isprintable() and expected.isascii():
        assert shown.replace(" ", "").strip("x") == expected.strip("x")
    assert all(child.type in ("text", "text_special") for child in children)


@given(st.text(), st.integers(1, 99))
def test_a_label_is_one_safe_line(text: str, number: int) -> None:
    """Promise: a chart label begins with a number and holds no character that a chart reads as a command."""
    made = label(text, number)
    assert re.fullmatch(rf"{number}( [\w ,²³¹¼½¾]*)?", made) or all(char.isalnum() or char in " ," for char in made)
    assert ":" not in made
    assert "\n" not in made
