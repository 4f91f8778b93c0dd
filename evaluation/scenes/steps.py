"""How few evaluations of the network, by which scheduler and with which forecast, do as well as many?

Every setting draws the same captions and edits from the same noise, so figures can be compared closely.

Law: a setting once measured is not measured again; the answer is a pure function of the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

from dataset_builder.errors import InvalidJob
from dataset_builder.shards.checks import CHECKS
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import locked, require_own, write_atomically, write_json
from editors.files import user_path
from editors.forecast import computed_steps
from editors.model.schedulers import SCHEDULERS
from editors.requests.rules import FORECAST
from evaluation.benchmark import Measured
from evaluation.report import Grid
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.base import BASE
from evaluation.scenes.job import ScenesJob
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
_PARTS: Final = ("base", "p2p", "edit")


@dataclass(frozen=True, kw_only=True, slots=True)
class StepsJob:
    """Settings to compare on held-out scenes.

    Attributes:
        out: Folder for data, scores and report; made if missing. Run again with the same folder to go on.
        model: Name or path of the model that follows instructions.
        base: Name or path of the base model; None takes `model`, where it is a family of both like pocket.
        only: Which parts: base, p2p, edit.
        steps: Numbers of steps to compare; the largest is what the others are held against.
        schedulers: Schedulers to compare: ddim, pndm, dpm++2m, euler, euler-a; the first with the most steps
            is what all are held against.
        forecasts: Windows of forecasts to compare, as in `InstructionEdit`; the smallest is what all are held
            against. Base and Prompt-to-Prompt know none.
        tolerance: How much worse a figure may be, in points (hundredths).
        world: World of the scenes.
        size: Their side in pixels; None takes the model's own.
        num: Captions that the base draws.
        num_sources: Source scenes; each is edited in every way that it allows.
        seed: Of scenes and noise.
        judge: Folder of the judge; None takes the shipped one.
        batch_size: Pictures that go through the network together.
        device: Where to compute; None takes the best there is.
        jobs: Number of processes that draw the scenes; None takes every core. Does not change a byte.
    """

    out: Path
    model: str = "pocket"
    base: str | None = None
    only: tuple[str, ...] = _PARTS
    steps: tuple[int, ...] = (50, 20, 12, 8, 6, 4)
    schedulers: tuple[str, ...] = ("ddim", "dpm++2m", "euler")
    forecasts: tuple[int, ...] = (1,)
    tolerance: float = 2.0
    world: str = "pocket"
    size: int | None = None
    num: int = 100
    num_sources: int = 25
    seed: int = 0
    judge: Path | None = None
    batch_size: int = 16
    device: str | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if len(self.steps) * len(self.forecasts) < 2:
            raise InvalidJob(
                f"steps names {len(self.steps)}, forecasts {len(self.forecasts)} numbers: there is nothing "
                "to compare; add some."
            )
        for number in self.steps:
            CHECKS.whole_number("steps", number, 1, 1000)
        CHECKS.choices("schedulers", self.schedulers, SCHEDULERS)
        if "curve" in self.only:
            raise InvalidJob(
                f"only names 'curve', but steps are compared on {', '.join(_PARTS)}; leave it out."
            )
        CHECKS.number("tolerance", self.tolerance, 0, 100)
        for window in self.forecasts:
            CHECKS.whole_number("forecasts", window, *FORECAST)
        for setting in self.settings():
            self.at(*setting)

    def settings(self) -> list[tuple[str, int, int]]:
        """Return (scheduler, steps, forecast) of every setting, the one all are held against first."""
        numbers, windows = sorted(set(self.steps), reverse=True), sorted(set(self.forecasts))
        return [
            (scheduler, number, window)
            for number in numbers
            for scheduler in dict.fromkeys(self.schedulers)
            for window in windows
        ]

    def at(self, scheduler: str, steps: int, forecast: int) -> ScenesJob:
        """Return the evaluation of one setting."""
        return ScenesJob(
            out=self.out,
            model=self.model,
            base=self.base,
            only=self.only,
            world=self.world,
            size=self.size,
            num=self.num,
            num_sources=self.num_sources,
            paraphrase=False,
            seed=self.seed,
            num_inference_steps=steps,
            forecast=forecast,
            scheduler=scheduler,
            baselines=False,
            judge=self.judge,
            batch_size=self.batch_size,
            device=self.device,
            jobs=self.jobs,
        )


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
