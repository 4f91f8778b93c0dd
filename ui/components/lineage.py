"""The lineage of results: a tree, each below the picture that it was made from."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from ui.components.elements import asset
from ui.components.history import Entry, History

STYLE = asset("lineage.css")


def lineage(history: History, shown: int | None) -> str:
    """Return the tree as HTML: empty while no result was made from another.

    Args:
        history: The results.
        shown: Place of the one that is shown, or None.
    """
    newest = max((entry.number for entry in history.entries), default=0)
    current = None if shown is None else history.entries[shown].number
    below: defaultdict[str, list[Entry]] = defaultdict(list)  # by what they were made from
    roots: dict[str, str] = {}
    numbers = {entry.number for entry in history.entries}
    for entry in sorted(history.entries, key=lambda entry: entry.number):
        origin = entry.original_reference if entry.parent is None else str(entry.parent)
        below[origin].append(entry)
        if entry.parent is None:
            roots.setdefault(origin, "Your picture" if not roots else "Another picture")
        elif entry.parent not in numbers:
            roots.setdefault(origin, f"{origin}, no longer kept")
    tree = ""
    if any(entry.parent is not None for entry in history.entries):
        trunks = "".join(
            f"<li>{name}{_branches(below[origin], below, current)}</li>" for origin, name in roots.items()
        )
        tree = f"<div>What came from what</div><ul>{trunks}</ul>"
    return f'<div class="lineage" data-newest="{newest}">{tree}</div>'


def _branches(entries: Sequence[Entry], below: dict[str, list[Entry]], current: int | None) -> str:
    branches = []
    for entry in entries:
        mark = ' aria-current="true"' if entry.number == current else ""
        name = f"<span{mark}>{entry.number}: {escape(entry.words)}</span>"
        branches.append(f"<li>{name}{_branches(below.get(str(entry.number), ()), below, current)}</li>")
    return f"<ul>{''.join(branches)}</ul>" if branches else ""
