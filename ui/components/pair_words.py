"""Words of the Data tab about pairs: why one was left out, its scores, what became of all that was asked."""

import html
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder import records
from dataset_builder.pairs.browse import AS_WRITTEN, Pictures
from dataset_builder.render.filters import KEPT, SURPLUS
from dataset_builder.render.render import NOT_NEEDED
from dataset_builder.render.scores import TABLE
from evaluation.job_pairs import JobPairs
from ui.components.elements import asset
from ui.components.sheet import Card

MEANINGS: Mapping[str, str] = {
    **{row.name: row.failed for row in TABLE},
    SURPLUS: "it passes, others of its triplet are better",
    NOT_NEEDED: "not drawn: enough of its triplet passed",
}
"""Why a pair was left out, in words."""
ORDERS: Mapping[str, str] = {
    AS_WRITTEN: "as they were written",
    **{row.name: row.says for row in TABLE},
    records.SELF_REPLACE_STEPS: "how long the original's layout was kept",
}
"""What pairs are sorted by, in words."""
SIDE = 256
"""Pixels of a picture on the sheet."""
FACTS_STYLE = asset("facts.css")
FUNNEL_STYLE = asset("funnel.css")


def said(outcome: str) -> str:
    """Say what became of pairs: in words where they were left out."""
    return MEANINGS.get(outcome, outcome.replace("_", " "))


def order_choices() -> list[tuple[str, str]]:
    """Return what pairs can be sorted by, as a list shows it: (words, name)."""
    return [(words[0].upper() + words[1:], name) for name, words in ORDERS.items()]


def card(job: JobPairs, key: str, pictures: Pictures) -> Card:
    """Return a pair for the sheet: what was asked, and where it was left out, why."""
    entry = job.catalogue.entries[key]
    outcome = job.outcomes.get(key, KEPT)
    before, after = (_small(one) for one in pictures)
    return Card(
        before=before,
        after=after,
        words=str(entry.facts.get(records.EDIT_PROMPT, "")),
        note=said(outcome) if job.outcomes else "",
        faint=outcome != KEPT,
    )


def _small(picture: NDArray[np.uint8]) -> Image.Image:
    small = Image.fromarray(picture)
    small.thumbnail((SIDE, SIDE))
    return small


def facts_of(job: JobPairs, key: str) -> str:
    """Write what is known of a pair, in HTML."""
    known = dict(job.catalogue.entries[key].facts)
    outcome = job.outcomes.get(key)
    lines = [
        f"<b>{_plain(known.pop(records.EDIT_PROMPT, ''))}</b>",
        f"before: {_plain(known.pop(records.ORIGINAL_PROMPT, ''))}",
        f"after: {_plain(known.pop(records.EDITED_PROMPT, ''))}",
    ]
    if outcome is not None:
        lines.append("kept" if outcome == KEPT else f"left out: {_plain(said(outcome))}")
    scores = known.pop(records.SCORES, None) or {}
    head = "<tr><th>score</th><th>here</th><th>at least</th></tr>" if scores else ""
    rows = [_score(name, value, job.thresholds.get(name)) for name, value in scores.items()]
    rest = [f"{name.replace('_', ' ')}: {value}" for name, value in known.items() if value not in (None, "")]
    last = ", ".join(_plain(one) for one in (key, *rest))
    told = "".join(f"<p>{line}</p>" for line in lines)
    return f'<div class="facts">{told}<table>{head}{"".join(rows)}</table><p>{last}</p></div>'


def _score(name: str, value: float, least: float | None) -> str:
    """Write a score; one that a pair fails by stands out."""
    missed = least is not None and value < least
    asked = "" if least is None else f"{least:.3f}"
    return (
        f"<tr{' class=missed' if missed else ''}><td>{_plain(name.replace('_', ' '))}</td>"
        f"<td>{value:.3f}{' ✗' if missed else ''}</td><td>{asked}</td></tr>"
    )


def _plain(text: object) -> str:
    return html.escape(str(text))


def drawn_funnel(job: JobPairs) -> str:
    """Draw what became of everything that was asked for, as bars; empty where nothing was filtered."""
    if job.stats is None:
        return ""
    most = max(*job.stats.funnel.values(), 1)
    rows = []
    for stage, number in job.stats.funnel.items():
        rows.append(_bar(stage.replace("_", " "), number, most))
        if stage == "prompts":
            rows += [_bar(said(why), left, most, "why") for why, left in job.stats.not_written.items()]
        if stage == "rendered":
            rows += [_bar(said(why), left, most, "why") for why, left in job.stats.rejects.items()]
    return f'<div class="funnel" role="img" aria-label="{_spoken(job)}">{"".join(rows)}</div>'


def _bar(label: str, number: int, most: int, kind: str = "") -> str:
    return (
        f'<span class="{kind}">{html.escape(label)}</span><b>{number}</b>'
        f'<span class="bar {kind}" style="width: {100 * number / most:.1f}%"></span>'
    )


def _spoken(job: JobPairs) -> str:
    assert job.stats is not None
    return html.escape(", ".join(f"{stage.replace('_', ' ')} {n}" for stage, n in job.stats.funnel.items()))
