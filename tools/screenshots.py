#!/usr/bin/env python3
"""Write screenshots/*.png from recorded incidents: `.venv/bin/python tools/screenshots.py [NAME…]`.

The screens are drawn by the program itself without a terminal, exported as SVG, and turned into pictures by headless
Chromium (other converters lose spaces or shift box edges). Needs the Debian packages chromium, fonts-firacode and
fonts-dejavu; nothing is fetched.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "screens"))

from recorded import RecordedClient, halfway, left_unknown  # noqa: E402

from runbook_tui.foundation.clock import iso  # noqa: E402
from runbook_tui.report.markdown import markdown  # noqa: E402
from runbook_tui.tui.app import IncidentApp  # noqa: E402
from runbook_tui.tui.home import HomeData, IncidentRow, PlaybookRow, Ready  # noqa: E402
from runbook_tui.tui.home_screen import HomeApp  # noqa: E402

WIDE, NARROW = (120, 40), (80, 24)
Scene = tuple[Callable[[], Any], tuple[int, int], list[str]]

HOME = HomeData(
    playbooks=(
        PlaybookRow("api-key-leaked", "API key leaked", "5:00", "12 days ago, 4:31"),
        PlaybookRow("member-offboarded", "A member has left", "15:00"),
    ),
    incidents=(IncidentRow("2026-11-21-api-key-leaked-7f3a", "API key leaked", "LIVE", "22:01 UTC", "step 8 of 14"),),
    readiness=(
        Ready("vault", "keyring (SecretService), unlocked"),
        Ready("clock", "synchronised"),
        Ready("disk", "212 MB free where the journal is written", good=False),
    ),
    version="runbook 0.1.0",
)


def _incident(mode: str) -> Callable[[], Any]:
    return lambda: IncidentApp(RecordedClient(halfway(mode)))


def _before_revoke() -> Any:
    told = left_unknown("live").say("cleared", 1, op="op-2", by="operator", reason="looked", **{"as": "not_done"})
    return IncidentApp(RecordedClient(told.say("step_reopened", 1, step="revoke", reason="once more")))


def _report() -> Any:
    client = RecordedClient(left_unknown("drill"))
    client.markdown = markdown(client.book, client.state, client.events, tool="runbook", now=iso(client.clock.now()))
    return IncidentApp(client)


NOTE = ["n", *"support told, status page says investigating", "enter", *"22:02"]
SCENES: dict[str, Scene] = {
    "home": (lambda: HomeApp(HOME), WIDE, ["down"]),
    "incident": (_incident("live"), WIDE, []),
    "incident-80x24": (_incident("live"), NARROW, []),
    "drill": (_incident("drill"), WIDE, []),
    "confirmation": (_before_revoke, NARROW, ["enter", "wait", *"rk_live"]),
    "note": (_incident("live"), NARROW, NOTE),
    "report": (_report, WIDE, ["enter", "p", "wait"]),
    "resume": (lambda: IncidentApp(RecordedClient(left_unknown("live"))), NARROW, []),
}


async def draw(scene: Scene) -> str:
    """The SVG of a scene."""
    make, size, keys = scene
    app = make()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            if key == "wait":
                await pilot.pause(0.8)
            else:
                await pilot.press("space" if key == " " else "comma" if key == "," else key)
        await pilot.pause(0.2)
        return str(app.export_screenshot(title="runbook"))


def picture(svg: str, target: Path, chromium: str) -> None:
    """SVG to PNG at twice the size; the fonts are the machine's own."""
    svg = re.sub(r"url\([^)]*https?:[^)]*\)\s*format\([^)]*\),?", "", svg)
    svg = re.sub(r",(\s*;)", r"\1", svg)
    width, height = (round(float(part)) for part in re.findall(r"[\d.]+", svg.split("viewBox=", 1)[1][:60])[2:4])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "screen.svg"
        source.write_text(svg, encoding="utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--user-data-dir={folder}/profile", "--hide-scrollbars", f"--window-size={width},{height}"]
        command += [f"--screenshot={target}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no chromium here: apt-get install -y chromium fonts-firacode fonts-dejavu", file=sys.stderr)
        return 2
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SCENES:
        picture(asyncio.run(draw(SCENES[name])), folder / f"{name}.png", chromium)
        print(folder / f"{name}.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
