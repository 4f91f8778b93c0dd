"""`wordbrush eval`: figures of an editor on pairs whose exact targets are known."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer
from rich.console import Console

from evaluation import chains, judge_figures, pairs, parts, photos, pie, pie_report, scorer_figures
from evaluation.benchmark import Noted
from evaluation.report import Grid
from evaluation.scenes import ScenesJob, StepsJob, evaluate_scenes, fewest_steps, report, steps
from ui.options import Commands, options
from ui.progress import progress_bar
from ui.server.outputs import Json
from ui.server.terminal import as_json as as_json_text

app = Commands(no_args_is_help=True, add_completion=False)


@app.callback()
def evaluate() -> None:
    """Measure editors and base models, and the judge and the scorer that measure them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Evaluation:
    """A command.

    Attributes:
        says: What its help says first.
        job: What its options make.
        run: Measures a job; yields shards that are drawn, what is measured, and last the report.
        tables: The report for a terminal.
        notes: What a terminal shows below, of the report and the job.
        total: How many measurements there will be; None where that is not known before.
    """

    says: str
    job: type[Any]
    run: Callable[[Any], Iterator[Any]]
    tables: Callable[[Any], Sequence[Grid]]
    notes: Callable[[Any, Any], Sequence[str]] = lambda report, job: ()
    total: Callable[[Any], int | None] = lambda job: None


def _num(job: Any) -> int:
    return int(job.num)


def _page(report: Any, job: Any) -> list[str]:
    return [str(job.out / "report.md")]


_EVALUATIONS = {
    "pairs": _Evaluation(
        says="Edit pairs, drawn or yours; compare with the targets, with doing nothing, with the ceiling.",
        job=pairs.EvalJob,
        run=pairs.evaluate_pairs,
        tables=pairs.tables,
        notes=lambda report, job: [pairs.NOTE, *_page(report, job)],
        total=_num,
    ),
    "photos": _Evaluation(
        says="Edit photographs; compare, at full size, with the exact night, fog, sketch; writes report.md.",
        job=photos.PhotosJob,
        run=photos.evaluate_photos,
        tables=photos.tables,
        notes=_page,
        total=_num,
    ),
    "chains": _Evaluation(
        says="Edit held-out scenes many times in a row; compare with the exact pictures; writes report.md.",
        job=chains.ChainsJob,
        run=chains.evaluate_chains,
        tables=chains.tables,
        notes=_page,
        total=_num,
    ),
    "autoencoder": _Evaluation(
        says="Measure what a model's autoencoder keeps of held-out scenes.",
        job=parts.PartsJob,
        run=parts.evaluate_autoencoder,
        tables=lambda report: (),
        notes=lambda report, job: [parts.words(report)],
        total=_num,
    ),
    "judge": _Evaluation(
        says="Measure the judge that measures the others, on held-out scenes.",
        job=judge_figures.JudgeJob,
        run=judge_figures.evaluate_judge,
        tables=judge_figures.tables,
        total=_num,
    ),
    "scorer": _Evaluation(
        says="Measure a scorer on held-out pairs: pocket's, or a CLIP checkpoint.",
        job=scorer_figures.ScorerJob,
        run=scorer_figures.evaluate_scorer,
        tables=scorer_figures.tables,
        total=lambda job: -(-job.num // scorer_figures.BATCH),
    ),
    "scenes": _Evaluation(
        says="Let the judge measure base, prompt edits and edit model on held-out scenes; writes report.md.",
        job=ScenesJob,
        run=evaluate_scenes,
        tables=report.tables,
        notes=_page,
    ),
    "steps": _Evaluation(
        says="Find the fewest denoising steps that draw and edit as well as many.",
        job=StepsJob,
        run=fewest_steps,
        tables=lambda report: (steps.steps_grid(report),),
        notes=lambda report, job: [steps.verdict(report)],
    ),
    "pie": _Evaluation(
        says="Measure both editors on a folder in PIE-Bench's layout; writes report.md and grid.png.",
        job=pie.PieJob,
        run=pie.evaluate_pie,
        tables=pie_report.tables,
        notes=lambda report, job: [*pie_report.notes(report), *_page(report, job)],
    ),
}


def _command(evaluation: _Evaluation) -> Callable[..., None]:
    """Return the command of an evaluation."""

    @options(evaluation.job)
    def run(as_json: Json = False, **fields: Any) -> None:
        job = evaluation.job(**fields)
        report = _last(evaluation.run(job), evaluation.total(job))
        if as_json:
            typer.echo(as_json_text(asdict(report)))
            return
        console = Console()
        for grid in evaluation.tables(report):
            console.print(grid.rich())
        for note in evaluation.notes(report, job):
            console.print(note, soft_wrap=True, highlight=False, markup=False)

    return run


def _last(steps: Iterator[Any], total: int | None) -> Any:
    """Run an evaluation under a bar; return its report, which comes last."""
    step = None
    with progress_bar("Measuring", total) as advance:
        for step in steps:
            if isinstance(step, Noted):
                advance(1, step.note)
    return step


for name, evaluation in _EVALUATIONS.items():
    app.command(name, help=evaluation.says)(_command(evaluation))


@app.command("captions")
@options(parts.PartsJob)
def captions(**fields: Any) -> None:
    """Let a base model draw held-out captions, beside the true scenes."""
    job = parts.PartsJob(**fields)
    with progress_bar("Drawing", job.num) as advance:
        for record in parts.draw_captions(job):
            if isinstance(record, parts.DrawnCaption):
                advance(1, record.caption)
    typer.echo(job.out / "captions.png")
