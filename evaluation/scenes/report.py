"""The report for people: tables for the terminal and for Markdown, the same rows in both.

Law: nothing is computed here but layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from evaluation.figures import Interval
from evaluation.judge import HEADS
from evaluation.report import Grid
from evaluation.scenes import curve
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.base import ALL
from evaluation.scenes.summary import (
    DIFFERENCE,
    DRAWN_RIGHT,
    MEAN,
    REFINEMENT,
    Line,
    ScenesReport,
    SectionReport,
)

if TYPE_CHECKING:
    pass

_BASE: Final = (*HEADS, "everything")
_P2P: Final = {
    "target": "target",
    "kept": "rest kept",
    "both": "both",
    "layout": "layout kept",
    "in_place": "target, background and layout",
    "psnr": "PSNR to source, dB",
    "ssim": "SSIM to source",
}
_REWEIGHT: Final = {
    "moved": "moved the right way",
    "shift": "shift of the pull",
    "psnr": "PSNR to weight 1, dB",
    "ssim": "SSIM to weight 1",
}
_EDIT: Final = {
    "target": "target reached",
    "rest": "rest kept",
    "both": "both",
    "psnr": "PSNR to exact target, dB",
}
_CURVE: Final = {"direction": "directional similarity", "image_image": "picture similarity"}
REWEIGHTING: Final = "Re-weighting"
_NUMBERS: Final = frozenset(("shift", "ssim", "direction", "image_image"))

LEGENDS: Final = {
    "base": """\
Pictures that the base drew from held-out captions, read by the judge: share of pictures where all that the
caption claims of a head is there. *noun*: all named nouns and no others; *colour* and *material* of every
noun, colours only where named; heads that the scene cannot show are not asked. Beside it the ceilings: the
composed pictures, plain (what the judge reads right of the truth) and through the autoencoder.
""",
    "p2p": """\
*target*: the judge reads what the changed words say. *rest kept*: it reads all else as it read it from the
source picture. *layout kept*: outside the mask of the exact edit (edits of the whole picture: everywhere) the
SSIM to the source is above what 95 % of pictures of the same words from other noise reach. *source drawn
right*: the base had drawn what the edit changes. *Re-generated*: the edited caption, the same noise, no
control.
""",
    "reweight": """\
The *pull* of a word is how much nearer a picture is to the caption with it than to the caption without it
(difference of the scorer's cosines). It should fall where the word weighs nothing, and rise where it weighs
three times as much; structure is measured against weight 1.
""",
    "edit": """\
*target reached*: the judge reads all that the edit changes as in the edited scene. *rest kept*: all else that
the edited caption claims, and no other nouns. SDEdit is told the whole edited caption, and starts at strength
0.6 (Meng et al., 2022, arXiv 2108.01073). *Paraphrased*: instructions worded in ways that were never trained
on; the difference is taken pair by pair.
""",
    "curve": """\
Similarity of the two pictures against directional similarity, by the scorer (Brooks et al., 2023, arXiv
2211.09800, figure 8): higher and further to the right is better. Beside the points stands the image guidance
scale s_I, of SDEdit the strength.
""",
}


def grids(section: SectionReport) -> tuple[Grid, ...]:
    """Return the tables of a section."""
    return _GRIDS[section.name](section)


def _base_grids(section: SectionReport) -> tuple[Grid, ...]:
    lines = {method: section.line(method, ALL) for method in section.methods()}
    names = {head: head for head in _BASE}
    num = next(line.num for line in lines.values() if line)
    return (_turned(f"{num} held-out captions, drawn by the base", lines, names),)


def _prompt_grids(section: SectionReport) -> tuple[Grid, ...]:
    names = {name: text for name, text in _P2P.items() if any(name in line.figures for line in section.lines)}
    methods = [
        method
        for plain in (prompts.P2P, prompts.REGENERATED)
        for method in (plain, f"{plain}{DRAWN_RIGHT}")
        if method in section.methods()
    ]
    found = []
    for title, kind in (("Word swap", prompts.SWAP), ("Refinement, mean over kinds", REFINEMENT)):
        found.append(_turned(title, {method: section.line(method, kind) for method in methods}, names))
    shares = [name for name in names if name not in ("psnr", "ssim")]
    kinds = [
        _row(kind, section.line(prompts.P2P, kind), shares, num=True)
        for kind in section.kinds()
        if kind != prompts.REWEIGHT
    ]
    headings = ("edits", *(names[name] for name in shares))
    found.append(_grid("Prompt-to-Prompt by kind", "kind", headings, kinds))
    weighed = {line.method: line for line in section.lines if line.kind == prompts.REWEIGHT}
    if weighed:
        found.append(_turned(REWEIGHTING, weighed, _REWEIGHT))
    return tuple(found)


def _edit_grids(section: SectionReport) -> tuple[Grid, ...]:
    columns = tuple(_EDIT)
    rows = [
        _row(method, section.line(method, MEAN), columns, num=True, signed=method == DIFFERENCE)
        for method in section.methods()
    ]
    found = [_grid("Instruction edits, mean over kinds", "pictures", ("edits", *_EDIT.values()), rows)]
    rows = [_row(kind, section.line(instruct.MODEL, kind), columns, num=True) for kind in section.kinds()]
    found.append(_grid("The edit model by kind", "kind", ("edits", *_EDIT.values()), rows))
    others = [name for name in section.methods() if name not in (instruct.MODEL, DIFFERENCE)]
    rows = [
        (kind, *(_cell("both", _figure(section.line(name, kind), "both")) for name in others))
        for kind in section.kinds()
    ]
    found.append(_grid("Target reached and the rest kept, by kind", "kind", tuple(others), rows))
    return tuple(found)


def _curve_grids(section: SectionReport) -> tuple[Grid, ...]:
    rows = [
        _row(f"{line.method}, {_value_name(line.method)}{line.kind}".rstrip(", "), line, tuple(_CURVE))
        for line in section.lines
    ]
    return (
        _grid("Picture similarity against directional similarity", "point", tuple(_CURVE.values()), rows),
    )


def _value_name(method: str) -> str:
    """Return what the kinds of a series of the curve are values of."""
    return {curve.SDEDIT: "strength ", curve.EXACT: ""}.get(method, "s_I ")


_GRIDS: Final[dict[str, Callable[[SectionReport], tuple[Grid, ...]]]] = {
    "base": _base_grids,
    "p2p": _prompt_grids,
    "edit": _edit_grids,
    "curve": _curve_grids,
}


def _turned(title: str, lines: Mapping[str, Line | None], names: Mapping[str, str]) -> Grid:
    """Return a table with a row a figure and a column a method, and how many pictures each has."""
    there = {method: line for method, line in lines.items() if line is not None}
    headings = tuple(f"{method} ({line.num})" for method, line in there.items())
    rows = [
        (text, *(_cell(name, line.figures.get(name)) for line in there.values()))
        for name, text in names.items()
    ]
    return _grid(title, "figure", headings, rows)


def _grid(title: str, first: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Grid:
    return Grid(title=title, first=first, headings=headings, rows=tuple(rows))


def _row(
    name: str, line: Line | None, columns: Sequence[str], *, num: bool = False, signed: bool = False
) -> tuple[str, ...]:
    """Return a row of a table: the name, how many there are, and the figures."""
    count = (str(line.num) if line else "0",) if num else ()
    return (name, *count, *(_cell(column, _figure(line, column), signed=signed) for column in columns))


def _figure(line: Line | None, name: str) -> Interval | None:
    return line.figures.get(name) if line else None


def _cell(name: str, value: Interval | None, *, signed: bool = False) -> str:
    """Return a mean with its interval: shares in per cent, decibels with a digit, similarities with two."""
    if value is None:
        return "–"
    plus = "+" if signed else ""
    numbers = (value.mean, value.low, value.high)
    if name in _NUMBERS:
        mean, low, high = (f"{number:{plus}.3f}" for number in numbers)
    elif name == "psnr":
        mean, low, high = (f"{number:{plus}.1f}" for number in numbers)
    else:
        mean, low, high = (f"{100 * number:{plus}.0f}" for number in numbers)
        return f"{mean} % [{low}, {high}]"
    return f"{mean} [{low}, {high}]"


def markdown(report: ScenesReport, pictures: Sequence[tuple[str, str, str]]) -> str:
    """Return the report as a page of Markdown.

    Args:
        report: What was found.
        pictures: (section, caption, file beside the page) of its plots and grids.
    """
    lines = [
        f"# Figures of {report.model} on held-out scenes of world {report.world}",
        "",
        f"Base {report.base}; world {report.world_hash[:12]}. Read by the judge, which was trained on",
        "composed scenes alone and trains nothing. In brackets 95 % bootstrap intervals; in means over kinds",
        "the edits of one source are resampled together.",
        "",
    ]
    titles = {
        "base": "What the base draws",
        "p2p": "Prompt-to-Prompt on the base",
        "edit": "The edit model",
        "curve": "The curve of the paper",
    }
    for section in report.sections:
        settings = ", ".join(
            f"{name} {str(value)[:12] if len(str(value)) == 64 else value}"
            for name, value in section.settings.items()
        )
        lines += [f"## {titles[section.name]}", "", LEGENDS[section.name]]
        for grid in grids(section):
            if grid.title == REWEIGHTING:
                lines += [LEGENDS["reweight"]]
            lines += [grid.markdown(), ""]
        lines += [f"Settings: {settings}. Run {section.run[:12]}.", ""]
        lines += [
            text
            for name, caption, file in pictures
            if name == section.name
            for text in (f"{caption}:", "", f"![{caption}]({file})", "")
        ]
    if report.left_out:
        counted = "; ".join(f"{reason} {count}" for reason, count in report.left_out.items())
        lines += [f"Edits that sources do not have: {counted}.", ""]
    return "\n".join(lines)
