"""Measurements of a run while it trains: lines of figures, and the same as a picture.

Law: figures taken after the checkpoint that a run goes on from are forgotten, for they are taken again; the
file is there whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import read_lines, write_atomically
from evaluation.plot import Series, line_plot


class Curve:
    """The validation of one run.

    Args:
        run: Its folder; `validation.jsonl` and `validation.png` are written there.
    """

    def __init__(self, run: Path) -> None:
        self.path, self.picture = run / "validation.jsonl", run / "validation.png"

    def lines(self) -> list[dict[str, Any]]:
        """Return what was measured, in order: `step`, and figures by name."""
        return list(read_lines(self.path))

    def forget_after(self, step: int) -> None:
        """Drop what was measured later than a step."""
        self._write([line for line in self.lines() if line["step"] <= step])

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Write down figures and draw the curve anew."""
        lines = [*(line for line in self.lines() if line["step"] < step), {"step": step, **figures}]
        self._write(lines)
        write_atomically(self.picture, png_bytes(_drawn(lines)))

    def _write(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomically(self.path, text.encode())


def grouped(figures: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of figures by the plot that they share: what stands before a colon."""
    groups: dict[str, list[str]] = {}
    for name in figures:
        if name != "step":
            groups.setdefault(name.partition(":")[0], []).append(name)
    return groups


def series_name(figure: str) -> str:
    """Return what a figure is called within its plot."""
    return figure.partition(":")[2].strip() or figure


def _drawn(lines: list[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw one plot over another: names up to a colon share one."""
    plots = []
    for group, names in grouped(lines[-1]).items():
        series = [
            Series(
                name=series_name(name),
                points=tuple((float(line["step"]), float(line[name])) for line in lines if name in line),
            )
            for name in names
        ]
        plots.append(line_plot(series, x_label="step", y_label=group, title=""))
    return np.concatenate(plots)
