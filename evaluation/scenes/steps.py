"""How few evaluations of the network, by which scheduler and with which forecast, do as well as many?

Every setting draws the same captions and edits from the same noise, so figures can be compared closely.

Law: a setting once measured is not measured again; the answer is a pure function of the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import locked, require_own, write_atomically, write_json
from editors.forecast import computed_steps
from evaluation.benchmark import Measured
from evaluation.report import Grid
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.base import BASE
from evaluation.scenes.job import ScenesJob, StepsJob
from evaluation.scenes.run import sections_measured
from evaluation.scenes.summary import ScenesReport
from evaluation.scenes.tools import ScenesTools, Toolbox
from evaluation.summary import ALL, MEAN, REFINEMENT

KEY_FIGURES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "base: noun": ("base", BASE, ALL, "noun"),
    "base: background": ("base", BASE, ALL, "background"),
    "base: colour": ("base", BASE, ALL, "colour"),
    "base: time of day": ("base", BASE, ALL, "time_of_day"),
    "P2P: word swap, both": ("p2p", prompts.P2P, prompts.SWAP, "both"),
    "P2P: refinement, both": ("p2p", prompts.P2P, REFINEMENT, "both"),
    "edit: both, mean over kinds": ("edit", instruct.MODEL, MEAN, "both"),
}
"""Name -> section, method, kind and figure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The key figures of one scheduler at one number of steps, and whether all are good enough."""

    scheduler: str
    steps: int
    forecast: int
    figures: Mapping[str, float]
    good: bool

    @property
    def note(self) -> str:
        """Which setting it is."""
        forecast = f", forecast {self.forecast}" if self.forecast > 1 else ""
        return f"{self.scheduler}, {self.steps} steps{forecast}"

    @property
    def computed(self) -> int:
        """Steps at which the edit model's network is asked, of a scheduler that asks once a step."""
        return sum(computed_steps(self.steps, self.forecast))


@dataclass(frozen=True, kw_only=True, slots=True)
class StepsReport:
    """The figures of all settings.

    Attributes:
        model: Name of the edit model.
        tolerance: In points.
        settings: The one that all are held against first.
        fewest: The good setting that computes the fewest steps; of several, that of the highest mean figure.
    """

    model: str
    tolerance: float
    settings: tuple[Setting, ...]
    fewest: Setting


StepsStep: TypeAlias = ShardReport | Measured | Setting | StepsReport


def fewest_steps(job: StepsJob, tools: Callable[[ScenesJob], Toolbox] = ScenesTools) -> Iterator[StepsStep]:
    """Measure the key figures of every setting; writes `steps.json` and `steps.md` into `job.out`.

    Args:
        job: What to compare.
        tools: Makes the tools of a setting.

    Yields:
        Shards and batches as in `evaluate_scenes`, each setting when it is measured, and last the report.

    Raises:
        DatasetError: See `evaluate_scenes`.
        EditorError: See `evaluate_scenes`.
    """
    settings: list[Setting] = []
    for scheduler, steps, forecast in job.settings():
        at = job.at(scheduler, steps, forecast)
        report, _ = yield from sections_measured(at, tools(at))
        figures = key_figures(report)
        first = settings[0].figures if settings else figures
        # Shares are sums of whole pictures: a hair of rounding must not cost a setting its place.
        good = all(figures[name] >= first[name] - job.tolerance / 100 - 1e-9 for name in figures)
        setting = Setting(scheduler=scheduler, steps=steps, forecast=forecast, figures=figures, good=good)
        settings.append(setting)
        yield settings[-1]
    fewest = min(
        (setting for setting in settings if setting.good),
        key=lambda setting: (setting.computed, -sum(setting.figures.values())),
    )
    found = StepsReport(model=job.model, tolerance=job.tolerance, settings=tuple(settings), fewest=fewest)
    require_own(job.out, "steps.md", "steps.json")
    with locked(job.out):
        page = f"# How few steps: {job.model}\n\n{steps_grid(found).markdown()}\n\n{verdict(found)}\n"
        write_atomically(job.out / "steps.md", page.encode())
        write_json(job.out / "steps.json", asdict(found))
    yield found


def key_figures(report: ScenesReport) -> dict[str, float]:
    """Return the key figures that an evaluation has."""
    figures = {}
    for name, (part, method, kind, figure) in KEY_FIGURES.items():
        section = report.section(part)
        value = section.mean(method, figure, kind) if section else None
        if value is not None:
            figures[name] = value.mean
    return figures


def steps_grid(report: StepsReport) -> Grid:
    """Return the report as a table."""
    names = tuple(report.settings[0].figures)
    rows = tuple(
        (
            setting.note,
            f"{setting.computed}",
            *(f"{100 * setting.figures[name]:.0f} %" for name in names),
            "yes" if setting.good else "no",
        )
        for setting in report.settings
    )
    headings = ("computed", *names, f"within {report.tolerance:g} points")
    return Grid(title="Key figures by scheduler and steps", first="setting", headings=headings, rows=rows)


def verdict(report: StepsReport) -> str:
    """Say which setting it is."""
    return (
        f"Fewest computed steps with every figure within {report.tolerance:g} points of "
        f"{report.settings[0].note}: {report.fewest.note}."
    )
