"""The report for people: tables for the terminal and for Markdown, the same rows in both.

Law: nothing is computed here but layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from evaluation.judge import HEADS
from evaluation.report import (
    Grid,
    decibels,
    settings_line,
    share,
    similarity,
    table_of_figures,
    table_of_lines,
)
from evaluation.scenes import curve
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.summary import DIFFERENCE, DRAWN_RIGHT, ScenesReport
from evaluation.summary import MEAN, REFINEMENT, BenchmarkReport

_BASE: Final = {head: share(head) for head in (*HEADS, "everything")}
_P2P_SHARES: Final = {
    "target": share("target"),
    "kept": share("rest kept"),
    "both": share("both"),
    "layout": share("layout kept"),
    "in_place": share("target, background and layout"),
}
_P2P: Final = {
    **_P2P_SHARES,
    "psnr": decibels("PSNR to source, dB"),
    "ssim": similarity("SSIM to source"),
}
_REWEIGHT: Final = {
    "moved": share("moved the right way"),
    "shift": similarity("shift of the pull"),
    "psnr": decibels("PSNR to weight 1, dB"),
    "ssim": similarity("SSIM to weight 1"),
}
_EDIT: Final = {
    "target": share("target reached"),
    "rest": share("rest kept"),
    "both": share("both"),
    "psnr": decibels("PSNR to exact target, dB"),
    "outside": decibels("PSNR to the source outside, dB"),
}
_HELD: Final = {**_EDIT, "of_a_part": share("said to be of a part")}
_CURVE: Final = {
    "direction": similarity("directional similarity"),
    "image_image": similarity("picture similarity"),
}
REWEIGHTING: Final = "Re-weighting"

LEGENDS: Final = {
    "base": """\
Pictures that the base drew from held-out captions, read by the judge: share of pictures where all that the
caption claims of a head is there. *noun*: all named nouns and no others; *colour* and *material* of every
noun, colours only where named; heads that the scene cannot show are not asked. Beside it the ceilings: the
composed pictures, plain (what the judge reads right of the truth) and through the autoencoder.""",
    "p2p": """\
*target*: the judge reads what the changed words say. *rest kept*: it reads all else as it read it from the
source picture. *layout kept*: outside the mask of the exact edit (edits of the whole picture: everywhere) the
SSIM to the source is above what 95 % of pictures of the same words from other noise reach. *source drawn
right*: the base had drawn what the edit changes. *Re-generated*: the edited caption, the same noise, no
control.""",
    "reweight": """\
The *pull* of a word is how much nearer a picture is to the caption with it than to the caption without it
(difference of the scorer's cosines). It should fall where the word weighs nothing, and rise where it weighs
three times as much; structure is measured against weight 1.""",
    "edit": """\
*target reached*: the judge reads all that the edit changes as in the edited scene. *rest kept*: all else that
the edited caption claims, and no other nouns. *Outside*: of the mask of the exact edit, for edits of a part.
SDEdit is told the whole edited caption, and starts at strength 0.6 (Meng et al., 2022, arXiv 2108.01073).
*Held to where it acts*: elsewhere the source, byte for byte; *said to be of a part*: share of edits that are
not told to be about the whole picture. *Paraphrased*: instructions worded in ways that
were never trained on; the difference is taken pair by pair.""",
    "curve": """\
Similarity of the two pictures against directional similarity, by the scorer (Brooks et al., 2023, arXiv
2211.09800, figure 8): higher and further to the right is better. Beside the points stands the image guidance
scale s_I, of SDEdit the strength.""",
}


def tables(report: ScenesReport) -> tuple[Grid, ...]:
    """Return the tables of all sections."""
    return tuple(grid for section in report.sections for grid in grids(section))


def grids(section: BenchmarkReport) -> tuple[Grid, ...]:
    """Return the tables of a section."""
    return _GRIDS[section.name](section)


def _base_grids(section: BenchmarkReport) -> tuple[Grid, ...]:
    lines = {method: section.line(method) for method in section.methods()}
    num = next(line.num for line in lines.values() if line)
    return (table_of_figures(f"{num} held-out captions, drawn by the base", lines, _BASE),)


def _prompt_grids(section: BenchmarkReport) -> tuple[Grid, ...]:
    there = {name for line in section.lines for name in line.figures}
    figures = {name: figure for name, figure in _P2P.items() if name in there}
    methods = [
        method
        for plain in (prompts.P2P, prompts.REGENERATED)
        for method in (plain, f"{plain}{DRAWN_RIGHT}")
        if method in section.methods()
    ]
    found = [
        table_of_figures(title, {method: section.line(method, kind) for method in methods}, figures)
        for title, kind in (("Word swap", prompts.SWAP), ("Refinement, mean over kinds", REFINEMENT))
    ]
    kinds = {kind: section.line(prompts.P2P, kind) for kind in section.kinds() if kind != prompts.REWEIGHT}
    shares = {name: figure for name, figure in _P2P_SHARES.items() if name in there}
    found.append(table_of_lines("Prompt-to-Prompt by kind", "kind", kinds, shares, counted="edits"))
    weighed = {line.method: line for line in section.lines if line.kind == prompts.REWEIGHT}
    if weighed:
        found.append(table_of_figures(REWEIGHTING, weighed, _REWEIGHT))
    return tuple(found)


def _edit_grids(section: BenchmarkReport) -> tuple[Grid, ...]:
    methods = {method: section.line(method, MEAN) for method in section.methods()}
    kinds = {kind: section.line(instruct.MODEL, kind) for kind in section.kinds()}
    others = [name for name in section.methods() if name not in (instruct.MODEL, DIFFERENCE)]
    both = tuple(
        (kind, *(_EDIT["both"].cell(section.mean(name, "both", kind)) for name in others))
        for kind in section.kinds()
    )
    held = {kind: line for kind in section.kinds() if (line := section.line(instruct.HELD, kind))}
    by_reach = table_of_lines("Held to where they act, by kind", "kind", held, _HELD, counted="edits")
    return (
        table_of_lines(
            "Instruction edits, mean over kinds",
            "pictures",
            methods,
            _EDIT,
            counted="edits",
            signed=(DIFFERENCE,),
        ),
        table_of_lines("The edit model by kind", "kind", kinds, _EDIT, counted="edits"),
        *([by_reach] if held else []),
        Grid(
            title="Target reached and the rest kept, by kind",
            first="kind",
            headings=tuple(others),
            rows=both,
        ),
    )


def _curve_grids(section: BenchmarkReport) -> tuple[Grid, ...]:
    lines = {
        f"{line.method}, {_value_name(line.method)}{line.kind}".rstrip(", "): line for line in section.lines
    }
    return (table_of_lines("Picture similarity against directional similarity", "point", lines, _CURVE),)


def _value_name(method: str) -> str:
    """Return what the kinds of a series of the curve are values of."""
    return {curve.SDEDIT: "strength ", curve.EXACT: ""}.get(method, "s_I ")


_GRIDS: Final[dict[str, Callable[[BenchmarkReport], tuple[Grid, ...]]]] = {
    "base": _base_grids,
    "p2p": _prompt_grids,
    "edit": _edit_grids,
    "curve": _curve_grids,
}


_READ_BY: Final = """\
Read by the judge, which was trained on composed scenes alone and trains nothing. In brackets 95 % bootstrap
intervals; in means over kinds the edits of one source are resampled together."""
_TITLES: Final = {
    "base": "What the base draws",
    "p2p": "Prompt-to-Prompt on the base",
    "edit": "The edit model",
    "curve": "The curve of the paper",
}


def page(report: ScenesReport, pictures: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return the report as paragraphs of Markdown.

    Args:
        report: What was found.
        pictures: (section, caption, file beside the page) of its plots and grids.
    """
    found = [
        f"# Figures of {report.model} on held-out scenes of world {report.world}",
        f"Base {report.base}; world {report.world_hash[:12]}. {_READ_BY}",
    ]
    for section in report.sections:
        found += [f"## {_TITLES[section.name]}", LEGENDS[section.name]]
        for grid in grids(section):
            found += [*([LEGENDS["reweight"]] if grid.title == REWEIGHTING else []), grid.markdown()]
        found.append(settings_line(section.settings, section.run))
        for name, caption, file in pictures:
            if name == section.name:
                found += [f"{caption}:", f"![{caption}]({file})"]
    if report.left_out:
        counted = "; ".join(f"{reason} {count}" for reason, count in report.left_out.items())
        found.append(f"Edits that sources do not have: {counted}.")
    return found
