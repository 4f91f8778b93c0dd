"""Curves of a run, as tables of gradio's plots."""

from collections.abc import Iterator, Sequence

import pandas as pd

from trainer.watching import RunFacts, thinned

POINTS = 100
"""Of a curve: more than a screen can show would only be sent."""
LOSS = "loss"
TRAINING = "training"
SMOOTHED = "training, smoothed"
SMOOTHING = 0.15
"""Share of each point in the moving average: about the last dozen of a hundred count."""
LEAST_TO_SMOOTH = 5


def loss_table(facts: RunFacts) -> pd.DataFrame:
    """Return the curves of the losses, in training and on held-out samples."""
    return table([*_training(facts), *_held_out(facts)])


def _training(facts: RunFacts) -> Iterator[tuple[float, float, str]]:
    points = thinned(facts.losses, POINTS)
    for step, loss in points:
        yield step, loss, TRAINING
    if len(points) < LEAST_TO_SMOOTH:
        return
    smooth = points[0][1]
    for step, loss in points:
        smooth += SMOOTHING * (loss - smooth)
        yield step, smooth, SMOOTHED


def _held_out(facts: RunFacts) -> Iterator[tuple[float, float, str]]:
    for line in facts.figures:
        for name, value in line.items():
            if name.startswith(LOSS):
                yield line["step"], value, name.removeprefix(LOSS).strip() or name


def table(rows: Sequence[tuple[float, float, str]]) -> pd.DataFrame:
    """Return points, (step, value, name of their curve), as a plot takes them."""
    return pd.DataFrame(rows, columns=["step", "value", "of"])
