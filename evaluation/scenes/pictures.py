"""The pictures of the report: plots of its figures, and grids of what was drawn, not picked.

Law: which pictures are shown depends on the order of the data alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmark import Benchmark, PictureFolder
from evaluation.judge import HEADS
from evaluation.plot import Dots, Series, dot_plot, line_plot
from evaluation.report import GridRow, draw_grid
from evaluation.scenes import base as drawn
from evaluation.scenes import curve
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.base import BaseSection
from evaluation.scenes.instruction_edits import EditSection
from evaluation.scenes.prompt_edits import PromptSection
from evaluation.summary import ALL, BenchmarkReport

Pictures = dict[str, NDArray[np.uint8]]
CAPTIONS: Final = {
    "base": "Share of pictures that agree with their caption",
    "base-grid": "The first held-out captions, as they came: the composed scene, and what the base drew",
    "p2p": "Prompt-to-Prompt: target reached and the rest kept, by kind",
    "p2p-grid": "The first edits of each kind, as they came",
    "reweight-grid": "The first weighed words, as they came",
    "edit": "Target reached and the rest kept, by kind",
    "edit-grid": "The first edits of each kind, as they came",
    "curve": "Picture similarity against directional similarity",
}


def plots(section: BenchmarkReport) -> Pictures:
    """Return the plots of a section, by name."""
    if section.name == "base":
        return {"base": _shares(section, {name: name for name in section.methods()}, HEADS)}
    if section.name == "curve":
        return {"curve": _curve(section)}
    names = {
        "p2p": (prompts.P2P, prompts.REGENERATED),
        "edit": (instruct.MODEL, instruct.PARAPHRASED, instruct.SDEDIT, instruct.CEILING),
    }[section.name]
    kinds = [kind for kind in section.kinds() if kind != prompts.REWEIGHT]
    dots = []
    for name in names:
        lines = [section.line(name, kind) for kind in kinds]
        if any(lines):
            values = tuple(line.figures.get("both") if line else None for line in lines)
            dots.append(Dots(name=name, values=values))
    return {section.name: dot_plot(kinds, dots, title=CAPTIONS[section.name])}


def _shares(section: BenchmarkReport, names: dict[str, str], heads: Sequence[str]) -> NDArray[np.uint8]:
    lines = {name: section.line(name, ALL) for name in names}
    dots = [
        Dots(name=names[name], values=tuple(line.figures[head] for head in heads))
        for name, line in lines.items()
        if line is not None
    ]
    return dot_plot(heads, dots, title=CAPTIONS["base"])


def _curve(section: BenchmarkReport) -> NDArray[np.uint8]:
    series = []
    for method in section.methods():
        lines = [line for line in section.lines if line.method == method]
        pairs = [(line.figures["direction"], line.figures["image_image"]) for line in lines]
        points = tuple((x.mean, y.mean) for x, y in pairs if x is not None and y is not None)
        series.append(
            Series(name=_series_name(method), points=points, labels=tuple(line.kind for line in lines))
        )
    return line_plot(
        series,
        x_label="directional similarity",
        y_label="picture similarity",
        title="Kept against changed",
    )


def _series_name(method: str) -> str:
    return method if method in (curve.SDEDIT, curve.EXACT) else f"edit model, {method}, by s_I"


def shown(section: Benchmark[Any], folder: PictureFolder) -> Pictures:
    """Return the grids of a section, by name."""
    if isinstance(section, BaseSection):
        rows = [
            GridRow(label=scene.caption, pictures=folder.squares(f"base-{scene.key}"))
            for scene in section.scenes[: drawn.NUM_SHOWN]
        ]
        return {"base-grid": draw_grid(("scene", "drawn"), rows, side=96)}
    if isinstance(section, EditSection):
        rows = [
            GridRow(label=f"{edit.kind}: {edit.edit.edit_prompt}", pictures=folder.squares(name))
            for source in section.sources
            for edit in source.edits
            if folder.has(name := f"edit-{edit.kind}-{source.key}")
        ]
        return {"edit-grid": _sorted_grid(section.columns, rows)}
    if isinstance(section, PromptSection):
        return _prompt_grids(section, folder)
    return {}


def _prompt_grids(section: PromptSection, folder: PictureFolder) -> Pictures:
    found: Pictures = {}
    for prefix, columns in (("p2p", prompts.COLUMNS), ("reweight", prompts.REWEIGHT_COLUMNS)):
        rows = [
            GridRow(label=f"{edit.kind}: {_words(prefix, edit)}", pictures=folder.squares(name))
            for source in section.sources
            for edit in source.edits
            if folder.has(name := f"{prefix}-{edit.kind}-{source.key}")
        ]
        if rows:
            found[f"{prefix}-grid"] = _sorted_grid(columns, rows)
    return found


def _words(prefix: str, edit: prompts.HeldOutEdit) -> str:
    """Return what the label of a row says of an edit."""
    if prefix == "reweight":
        return f"{edit.edited_prompt}\nweighed: {', '.join(prompts.added_words(edit))}"
    return f"{edit.original_prompt}\nto: {edit.edited_prompt}"


def _sorted_grid(columns: Sequence[str], rows: Sequence[GridRow]) -> NDArray[np.uint8]:
    return draw_grid(columns, sorted(rows, key=lambda row: row.label), side=96)
