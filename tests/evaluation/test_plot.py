"""Plots show every point, inside the sheet, on round ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.figures import Interval
from evaluation.plot import COLOURS, Dots, Series, dot_plot, line_plot, ticks


def share_of(picture: np.ndarray, colour: str) -> float:
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
    return float(np.mean(np.abs(picture.astype(int) - wanted).max(-1) < 8))


@given(st.floats(-1e4, 1e4), st.floats(1e-6, 1e6))
def test_ticks_span_their_range_evenly(spans: float, span: float) -> None:
    # A range lies some spans from zero: much further off, floats could not tell its ticks apart.
    low = spans * span
    found = ticks(low, low + span)
    steps = np.diff(found)
    slack = 1e-6 * steps[0]
    assert found[0] <= low + slack and found[-1] >= low + span - slack
    assert np.allclose(steps, steps[0]) and len(found) <= 11


def test_every_series_is_drawn_in_its_colour() -> None:
    lines = [
        Series(name="one", points=((0.1, 0.9), (0.2, 0.7)), labels=("a", "b")),
        Series(name="two", points=((0.3, 0.8),)),
    ]
    picture = line_plot(lines, x_label="x", y_label="y", title="t")
    assert all(share_of(picture, colour) > 0 for colour in COLOURS[:2])
    assert share_of(picture, COLOURS[2]) == 0


def test_a_share_further_right_is_larger() -> None:
    def middle(share: float) -> float:
        value = Interval(mean=share, low=share, high=share, num=3)
        picture = dot_plot(["row"], [Dots(name="", values=(value,))], title="")
        wanted = np.array([0, 0x72, 0xB2])
        rows, columns = np.where(np.abs(picture.astype(int) - wanted).max(-1) < 8)
        return float(columns[rows < 80].mean())

    assert middle(0.1) < middle(0.5) < middle(0.9)
    assert middle(0.9) - middle(0.5) == pytest.approx(middle(0.5) - middle(0.1), abs=1)


def test_a_gap_is_no_dot() -> None:
    value = Interval(mean=0.5, low=0.4, high=0.6, num=3)
    both = dot_plot(["a", "b"], [Dots(name="", values=(value, value))], title="")
    one = dot_plot(["a", "b"], [Dots(name="", values=(value, None))], title="")
    assert share_of(one, COLOURS[0]) < share_of(both, COLOURS[0])
