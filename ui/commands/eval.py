"""`wordbrush eval`: figures of an editor on pairs whose exact targets are known."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console

from evaluation import jobs
from evaluation.pie_job import PieJob
from evaluation.scenes.job import ScenesJob, StepsJob
from ui.commands.editing import tell_needs_of_job
from ui.options import Commands, options
from ui.progress import progress_bar
from ui.server.outputs import Json
from ui.server.terminal import as_json as as_json_text

if TYPE_CHECKING:
    from evaluation.report import Grid

app = Commands(no_args_is_help=True, add_completion=False)
_MODELS: Final = ("model", "prompt_model", "instruction_model")
"""Fields of jobs that name models."""


@app.callback()
def evaluate() -> None:
    """Measure editors and base models, and the judge and the scorer that measure them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measurement:
    """What is done with a job, of modules that are heavy.

    Attributes:
        run: Measures a job; yields shards that are drawn, what is measured, and last the report.
        tables: The report for a terminal.
        notes: What a terminal shows below, of the report and the job.
        total: How many measurements there will be; None where that is not known before.
    """

    run: Callable[[Any], Iterator[Any]]
    tables: "Callable[[Any], Sequence[Grid]]"
    notes: Callable[[Any, Any], Sequence[str]] = lambda report, job: ()
    total: Callable[[Any], int | None] = lambda job: None


def _num(job: Any) -> int:
    return int(job.num)


def _page(report: Any, job: Any) -> list[str]:
    return [str(job.out / "report.md")]


def _pairs() -> _Measurement:
    from evaluation import pairs

    return _Measurement(
        run=pairs.evaluate_pairs,
        tables=pairs.tables,
        notes=lambda report, job: [pairs.NOTE, *_page(report, job)],
        total=_num,
    )


def _photos() -> _Measurement:
    from evaluation import photos

    return _Measurement(run=photos.evaluate_photos, tables=photos.tables, notes=_page, total=_num)


def _chains() -> _Measurement:
    from evaluation import chains

    return _Measurement(run=chains.evaluate_chains, tables=chains.tables, notes=_page, total=_num)


def _autoencoder() -> _Measurement:
    from evaluation import parts

    return _Measurement(
        run=parts.evaluate_autoencoder,
        tables=lambda report: (),
        notes=lambda report, job: [parts.words(report)],
        total=_num,
    )


def _judge() -> _Measurement:
    from evaluation import judge_figures

    return _Measurement(run=judge_figures.evaluate_judge, tables=judge_figures.tables, total=_num)


def _scorer() -> _Measurement:
    from evaluation import scorer_figures

    return _Measurement(
        run=scorer_figures.evaluate_scorer,
        tables=scorer_figures.tables,
        total=lambda job: -(-job.num // scorer_figures.BATCH),
    )


def _scenes() -> _Measurement:
    from evaluation.scenes import report, run

    return _Measurement(run=run.evaluate_scenes, tables=report.tables, notes=_page)


def _steps() -> _Measurement:
    from evaluation.scenes import steps

    return _Measurement(
        run=steps.fewest_steps,
        tables=lambda report: (steps.steps_grid(report),),
        notes=lambda report, job: [steps.verdict(report)],
    )


def _pie() -> _Measurement:
    from evaluation import pie, pie_report

    return _Measurement(
        run=pie.evaluate_pie,
        tables=pie_report.tables,
        notes=lambda report, job: [*pie_report.notes(report), *_page(report, job)],
    )


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """A command.

    Attributes:
        says: What its help says first.
        job: What its options make.
        measurement: Loads what does it, once it is asked for: a help is there before torch is.
    """

    says: str
    job: type[Any]
    measurement: Callable[[], _Measurement]


_EVALUATIONS = {
    "pairs": _Evaluation(
        "Edit pairs, drawn or yours; compare with the targets, with doing nothing, with the ceiling.",
        jobs.EvalJob,
        _pairs,
    ),
    "photos": _Evaluation(
        "Edit photographs; compare, at full size, with the exact night, fog, sketch; writes report.md.",
        jobs.PhotosJob,
        _photos,
    ),
    "chains": _Evaluation(
        "Edit held-out scenes many times in a row; compare with the exact pictures; writes report.md.",
        jobs.ChainsJob,
        _chains,
    ),
    "autoencoder": _Evaluation(
        "Measure what a model's autoencoder keeps of held-out scenes.", jobs.PartsJob, _autoencoder
    ),
    "judge": _Evaluation(
        "Measure the judge that measures the others, on held-out scenes.", jobs.JudgeJob, _judge
    ),
    "scorer": _Evaluation(
        "Measure a scorer on held-out pairs: pocket's, or a CLIP checkpoint.", jobs.ScorerJob, _scorer
    ),
    "scenes": _Evaluation(
        "Let the judge measure base, prompt edits and edit model on held-out scenes; writes report.md.",
        ScenesJob,
        _scenes,
    ),
    "steps": _Evaluation(
        "Find the fewest denoising steps that draw and edit as well as many.", StepsJob, _steps
    ),
    "pie": _Evaluation(
        "Measure both editors on a folder in PIE-Bench's layout; writes report.md and grid.png.",
        PieJob,
        _pie,
    ),
}


def _command(evaluation: _Evaluation) -> Callable[..., None]:
    """Return the command of an evaluation."""

    @options(evaluation.job)
    def run(as_json: Json = False, **fields: Any) -> None:
        job, measurement = evaluation.job(**fields), evaluation.measurement()
        tell_needs_of_job(
            (getattr(job, field, None) for field in _MODELS), device=getattr(job, "device", None)
        )
        report = _last(measurement.run(job), measurement.total(job))
        if as_json:
            typer.echo(as_json_text(asdict(report)))
            return
        console = Console()
        for grid in measurement.tables(report):
            console.print(grid.rich())
        for note in measurement.notes(report, job):
            console.print(note, soft_wrap=True, highlight=False, markup=False)

    return run


def _last(steps: Iterator[Any], total: int | None) -> Any:
    """Run an evaluation under a bar; return its report, which comes last."""
    from evaluation.benchmark import Noted

    step = None
    with progress_bar("Measuring", total) as advance:
        for step in steps:
            if isinstance(step, Noted):
                advance(1, step.note)
    return step


for name, evaluation in _EVALUATIONS.items():
    app.command(name, help=evaluation.says)(_command(evaluation))


@app.command("captions")
@options(jobs.PartsJob)
def captions(**fields: Any) -> None:
    """Let a base model draw held-out captions, beside the true scenes."""
    from evaluation import parts

    job = jobs.PartsJob(**fields)
    tell_needs_of_job([job.model], device=job.device)
    with progress_bar("Drawing", job.num) as advance:
        for record in parts.draw_captions(job):
            if isinstance(record, parts.DrawnCaption):
                advance(1, record.caption)
    typer.echo(job.out / "captions.png")
