"""Figures are what their formulas say, and a report is a function of its scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataset_builder.errors import UnreadableDataset
from evaluation.benchmark import SCORES_FILE, Ledger, Row
from evaluation.figures import MAX_PSNR, interval, mean_over_kinds, psnr, ssim
from evaluation.report import (
    Column,
    GridRow,
    decibels,
    draw_grid,
    share,
    table_by_kind,
    table_of_figures,
    table_of_lines,
)
from evaluation.summary import ALL, BenchmarkReport, first_of_each, lines_of
from tests import tiny

BLACK = np.zeros((4, 6, 3), np.uint8)


def row(number: int, kind: str, edited: float, rest: float | None = 30.0) -> Row:
    figures = {"nearer": float(edited > 20), "rest": rest}
    return Row(section="pairs", method="edited", kind=kind, key=str(number), figures=figures)


def test_psnr_is_its_formula() -> None:
    assert psnr(BLACK, BLACK) == MAX_PSNR
    assert psnr(BLACK + 255, BLACK) == pytest.approx(0)
    assert psnr(BLACK + 10, BLACK) == pytest.approx(20 * np.log10(255 / 10))


def test_psnr_looks_where_it_is_told() -> None:
    picture, where = BLACK.copy(), np.zeros((4, 6), bool)
    picture[0], where[0] = 255, True
    assert psnr(picture, BLACK, where) == pytest.approx(0)
    assert psnr(picture, BLACK, ~where) == MAX_PSNR


def test_psnr_of_bytes_does_not_wrap_around() -> None:
    assert psnr(BLACK, BLACK + 200) == psnr(BLACK + 200, BLACK)


def test_intervals_hold_the_mean_and_narrow_with_numbers() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400).tolist()
    few, many = interval(values[:20]), interval(values)
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    # The standard error of the mean is 2 / sqrt(400); an interval of 95 % spans about 3.92 of them.
    assert many.high - many.low == pytest.approx(3.92 * 0.1, rel=0.15)
    assert interval(values) == many


def test_a_summary_counts_every_row_once_in_all_and_once_in_its_kind() -> None:
    missing = replace(row(3, "style", 0), figures={}, failed="no such word")
    rows = [row(0, "colour", 24), row(1, "colour", 18), row(2, "style", 21, rest=None), missing]
    everything, colour, style = lines_of(rows)
    assert [(line.kind, line.num) for line in (everything, colour, style)] == [
        (ALL, 3),
        ("colour", 2),
        ("style", 1),
    ]
    assert everything.failed == {"no such word": 1}
    nearer = everything.figures["nearer"]
    assert nearer is not None and nearer.mean == pytest.approx(2 / 3)
    assert style.figures["rest"] is None
    rest = everything.figures["rest"]
    assert rest is not None and rest.num == 2


def test_tables_show_every_kind_and_the_same_numbers_whichever_way_they_are_turned() -> None:
    lines = lines_of([row(0, "colour", 24), row(1, "style", 21, rest=None)])
    report = BenchmarkReport(name="pairs", model="pocket", run="", settings={}, lines=lines)
    figures = {"nearer": share("nearer"), "rest": decibels("rest, dB")}
    columns = [Column(method="edited", name=name, figure=figure) for name, figure in figures.items()]
    kinds = table_by_kind(report, columns, title="", first="edit", counted="pairs")
    assert [cells[0] for cells in kinds.rows] == [ALL, "colour", "style"]
    named = {line.kind: line for line in lines}
    of_lines = table_of_lines("", "edit", named, figures, counted="pictures")
    assert of_lines.rows == kinds.rows and kinds.rows[2][-1] == "–"
    turned = table_of_figures("", named, figures)
    assert tuple(zip(*(cells[1:] for cells in turned.rows), strict=True)) == tuple(
        cells[2:] for cells in kinds.rows
    )
    assert all(f"| {' | '.join(cells)} |" in kinds.markdown() for cells in kinds.rows)


def test_the_first_of_each_kind_are_taken_as_they_come() -> None:
    words = ["a1", "b1", "a2", "a3", "b2"]
    assert first_of_each(words, lambda word: word[0], 2) == ["a1", "b1", "a2", "b2"]


def test_a_grid_shows_pictures_as_they_are() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    grid = draw_grid(("one", "two"), [GridRow(label="a row", pictures=(picture, picture))], side=32)
    enlarged = picture.repeat(2, axis=0).repeat(2, axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(grid, (32, 32, 3))[..., 0, :, :, :]
    assert (windows[24] == enlarged).all(axis=(1, 2, 3)).sum() == 2


def test_ssim_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    luma = np.array([0.299, 0.587, 0.114])
    random = np.random.default_rng(0)
    target = np.array(tiny.photo((40, 32), seed=1))
    picture = np.clip(target + random.normal(0, 20, target.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((32, 40), bool)
    mask[3:20, 5:30] = True
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, theirs = metrics.structural_similarity(picture @ luma, target @ luma, full=True, **settings)
    assert ssim(picture, target) == pytest.approx(theirs.mean(), abs=1e-9)
    assert ssim(picture, target, mask) == pytest.approx(theirs[mask].mean(), abs=1e-9)
    assert ssim(target, target) == pytest.approx(1)


def test_every_kind_weighs_the_same_in_the_mean_over_kinds() -> None:
    rows = {f"{n}": {"often": 1.0, **({"seldom": 0.0} if n < 3 else {})} for n in range(30)}
    mean = mean_over_kinds(rows)
    assert mean.mean == 0.5 and mean.num == 33
    assert mean.low <= 0.5 <= mean.high


def test_what_belongs_together_is_resampled_together() -> None:
    """Ten sources that say the same of both kinds are ten observations, not twenty."""
    random = np.random.default_rng(1)
    values = random.normal(0, 1, 40)
    twice = mean_over_kinds({f"{n}": {"a": value, "b": value} for n, value in enumerate(values)})
    once = interval(list(values))
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.1)


@pytest.mark.parametrize(
    "line",
    ["{", pytest.param(9999 * "[", id="deep"), "7", '{"rows": [{}], "run": "a", "batch": 1}', '{"rows": []}'],
)
def test_damaged_figures_are_one_sentence(tmp_path, line):
    (tmp_path / SCORES_FILE).write_text(f"{line}\n")
    with pytest.raises(UnreadableDataset, match=r"is damaged .*; remove the damaged line"):
        Ledger(tmp_path)
