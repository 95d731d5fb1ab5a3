"""Colours, borders and the style sheet. Orange and blue tell bad from good, and a mark or word always says it too."""

from __future__ import annotations

GOOD = "#6cb6ff"
BAD = "bold #ffb454"
FAINT = "#9aa4ad"
STRONG = "bold"
KEY = "bold #6cb6ff"

# mode -> (style of its badge, style of its borders, border of dialogs, horizontal rule)
MODES = {
    "LIVE": ("bold #101010 on #ff9f1c", "#ff9f1c", "heavy", "━"),
    "DRILL": ("bold #101010 on #6c9bff", "#6c9bff", "double", "═"),
    "DRY-RUN": ("bold #101010 on #b8c0c8", "#b8c0c8", "dashed", "╍"),
}

# The eight characters of a box: corners from top left clockwise, then top, right, bottom, left.
BOXES = {"heavy": "┏┓┛┗━┃━┃", "double": "╔╗╝╚═║═║", "dashed": "┏┓┛┗╍╏╍╏"}

STATUS = {
    "done": GOOD,
    "running": STRONG,
    "waiting": STRONG,
    "failed": BAD,
    "refuted": BAD,
    "undetermined": BAD,
    "unknown": BAD,
    "skipped": FAINT,
    "pending": FAINT,
}

WIDE, TALL = 110, 34  # columns and rows from which the steps stand beside the NEXT box
SMALLEST = (60, 16)  # below this only the clock is shown

# Only what the first paint needs: pages and dialogs bring their own.
CSS = """
Screen { background: #14181c; color: #e6e9ec; }
ModalScreen { background: #14181c 40%; }
#body { height: 1fr; }
#side { width: 44; height: 1fr; padding: 0 1; }
#main { width: 1fr; height: 1fr; }
#log { height: 1fr; }
.tiny #body { display: none; }
"""
