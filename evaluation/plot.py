"""Two small plots for reports: lines through points, and means with their intervals.

Law: a plot is a pure function of its numbers; nothing is computed here but layout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evaluation.figures import Interval

# Told apart by most colour-blind people too (Okabe, Ito, "Color Universal Design", 2008).
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_SCALE: Final = 2  # Drawn twice as large and shrunk: the lines come out smooth.
_INK, _PALE = "#333333", "#dddddd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Points that a line joins, in order.

    Attributes:
        name: For the legend.
        points: (x, y).
        labels: Beside each point; as many as there are points, or none.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Dots:
    """A row of means a label, in one colour; None leaves a gap."""

    name: str
    values: tuple[Interval | None, ...]


class _Sheet:
    """A white sheet in pixels of the finished plot."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * _SCALE, height * _SCALE), "white")
        self.pen = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(size=13 * _SCALE)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self.pen.line(scaled, fill=colour, width=round(width * _SCALE), joint="curve")

    def dot(self, x: float, y: float, colour: str, radius: float = 4) -> None:
        box = [(x - radius) * _SCALE, (y - radius) * _SCALE, (x + radius) * _SCALE, (y + radius) * _SCALE]
        self.pen.ellipse(box, fill=colour)

    def text(self, x: float, y: float, text: str, anchor: str, colour: str = _INK) -> None:
        self.pen.text((x * _SCALE, y * _SCALE), text, fill=colour, font=self.font, anchor=anchor)

    def width_of(self, text: str) -> float:
        return float(self.font.getlength(text)) / _SCALE

    def finished(self) -> NDArray[np.uint8]:
        return np.array(self.image.resize(self.size, Image.Resampling.LANCZOS))


def line_plot(series: Sequence[Series], *, x_label: str, y_label: str, title: str) -> NDArray[np.uint8]:
    """Draw lines through points.

    Args:
        series: One line each, at least one point in all.
        x_label: What goes along.
        y_label: What goes up.
        title: Above the plot.

    Returns:
        The plot, (H, W, 3) uint8.
    """
    left, top, wide, high = 70, 40, 560, 400
    sheet = _Sheet(left + wide + 20, top + high + 60 + 20 * len(series))
    columns, rows = zip(*(point for line in series for point in line.points), strict=True)
    x_ticks, y_ticks = ticks(min(columns), max(columns)), ticks(min(rows), max(rows))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (point[1] - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return left + wide * across, top + high * (1 - up)

    for tick in x_ticks:
        x, bottom = place((tick, y_ticks[0]))
        sheet.line([(x, top), (x, bottom)], _PALE)
        sheet.text(x, bottom + 6, f"{tick:g}", "ma")
    for tick in y_ticks:
        x, y = place((x_ticks[0], tick))
        sheet.line([(left, y), (left + wide, y)], _PALE)
        sheet.text(left - 8, y, f"{tick:g}", "rm")
    for number, line in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        spots = [place(point) for point in line.points]
        if len(spots) > 1:
            sheet.line(spots, colour, 2)
        for spot, label in zip(spots, line.labels or [""] * len(spots), strict=True):
            sheet.dot(*spot, colour)
            sheet.text(spot[0] + 7, spot[1] - 7, label, "ls", colour)
        height = top + high + 58 + 20 * number
        sheet.dot(left + 6, height, colour)
        sheet.text(left + 18, height, line.name, "lm")
    sheet.text(left + wide / 2, 14, title, "ma")
    sheet.text(left + wide / 2, top + high + 28, x_label, "ma")
    sheet.text(8, 14, y_label, "la")
    return sheet.finished()


def dot_plot(labels: Sequence[str], dots: Sequence[Dots], *, title: str) -> NDArray[np.uint8]:
    """Draw shares with their intervals, one row a label.

    Args:
        labels: Of the rows, from above.
        dots: Values in 0 to 1, each as many as there are labels.
        title: Above the plot.

    Returns:
        The plot, (H, W, 3) uint8.
    """
    step = 12 * len(dots) + 14
    top, wide, high = 40, 480, step * len(labels)
    sheet = _Sheet(1, 1)
    left = 24 + max(sheet.width_of(label) for label in labels)
    sheet = _Sheet(round(left) + wide + 40, top + high + 40 + 20 * len(dots))
    for percent in range(0, 101, 20):
        x = left + wide * percent / 100
        sheet.line([(x, top), (x, top + high)], _PALE)
        sheet.text(x, top + high + 6, f"{percent} %", "ma")
    for row, label in enumerate(labels):
        sheet.text(left - 10, top + step * (row + 0.5), label, "rm")
        sheet.line([(left, top + step * row), (left + wide, top + step * row)], _PALE)
        for number, line in enumerate(dots):
            value = line.values[row]
            if value is None:
                continue
            colour, y = COLOURS[number % len(COLOURS)], top + step * row + 13 + 12 * number
            sheet.line([(left + wide * value.low, y), (left + wide * value.high, y)], colour, 2)
            sheet.dot(left + wide * value.mean, y, colour)
    for number, line in enumerate(dots):
        height = top + high + 40 + 20 * number
        sheet.dot(left + 6, height, COLOURS[number % len(COLOURS)])
        sheet.text(left + 18, height, line.name, "lm")
    sheet.text(left + wide / 2, 14, title, "ma")
    return sheet.finished()


def ticks(low: float, high: float, most: int = 8) -> tuple[float, ...]:
    """Return round numbers, evenly spaced, that span a range: the first is no higher, the last no lower.

    Args:
        low: The least value.
        high: The greatest, from `low`.
        most: How many steps there may be.
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return tuple(round(number * step, 10) for number in range(first, last + 1))
