"""`wordbrush eval`: figures of an editor on pairs whose exact targets are known."""

from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console

from evaluation.judge_figures import JudgeJob, JudgeReport, Marks, evaluate_judge
from evaluation.judge_figures import table as judge_table
from evaluation.pairs import EvalJob, evaluate_pairs
from evaluation.parts import (
    AutoencoderReport,
    DrawnCaption,
    PartsJob,
    PictureScore,
    draw_captions,
    evaluate_autoencoder,
)
from evaluation.photos import PhotoScore, PhotosJob, PhotosReport, evaluate_photos
from evaluation.photos import table as photos_table
from evaluation.pie import evaluate_pie
from evaluation.pie_job import PieJob
from evaluation.pie_report import PieReport, PieScore, notes
from evaluation.pie_report import table as pie_table
from evaluation.report import table
from evaluation.scenes import (
    Measured,
    ScenesJob,
    ScenesReport,
    Setting,
    StepsJob,
    StepsReport,
    evaluate_scenes,
    fewest_steps,
)
from evaluation.scenes.report import grids
from evaluation.scenes.steps import steps_grid, verdict
from evaluation.scorer_figures import ScoredPairs, ScorerJob, ScorerReport, evaluate_scorer
from evaluation.scorer_figures import table as scorer_table
from evaluation.scores import EvalReport, PairScore
from ui.options import Commands, options
from ui.progress import progress_bar
from ui.server.outputs import Json
from ui.server.terminal import as_json as as_json_text

app = Commands(no_args_is_help=True, add_completion=False)


@app.callback()
def evaluate() -> None:
    """Measure editors and base models, and the judge and the scorer that measure them."""


@app.command("pairs")
@options(EvalJob)
def pairs(as_json: Json = False, **fields: Any) -> None:
    """Edit pairs, drawn or yours, and compare with the targets, with doing nothing, and with the ceiling."""
    job = EvalJob(**fields)
    with progress_bar("Measuring", job.num) as advance:
        for record in evaluate_pairs(job):
            if isinstance(record, PairScore):
                advance(1, record.kind)
            elif isinstance(record, EvalReport):
                report = record
    if as_json:
        typer.echo(as_json_text(asdict(report)))
    else:
        Console().print(table(report))


@app.command("photos")
@options(PhotosJob)
def photos(as_json: Json = False, **fields: Any) -> None:
    """Edit photographs and compare, at full size, with the exact night, fog, sketch ...; writes report.md."""
    job = PhotosJob(**fields)
    with progress_bar("Measuring", job.num) as advance:
        for record in evaluate_photos(job):
            if isinstance(record, PhotoScore):
                advance(1, record.target)
            elif isinstance(record, PhotosReport):
                report = record
    if as_json:
        typer.echo(as_json_text(asdict(report)))
        return
    console = Console()
    console.print(photos_table(report, intervals=False).rich())
    console.print(str(job.out / "report.md"), soft_wrap=True)


@app.command("autoencoder")
@options(PartsJob)
def autoencoder(as_json: Json = False, **fields: Any) -> None:
    """Measure what a model's autoencoder keeps of held-out scenes."""
    job = PartsJob(**fields)
    with progress_bar("Measuring", job.num) as advance:
        for record in evaluate_autoencoder(job):
            if isinstance(record, PictureScore):
                advance(1, f"{record.psnr:.1f} dB")
            elif isinstance(record, AutoencoderReport):
                report = record
    psnr = report.psnr
    text = (
        as_json_text(asdict(report)) if as_json else f"{psnr.mean:.2f} dB ({psnr.low:.2f} to {psnr.high:.2f})"
    )
    typer.echo(text)


@app.command("captions")
@options(PartsJob)
def captions(**fields: Any) -> None:
    """Let a base model draw held-out captions, beside the true scenes."""
    job = PartsJob(**fields)
    with progress_bar("Drawing", job.num) as advance:
        for record in draw_captions(job):
            if isinstance(record, DrawnCaption):
                advance(1, record.caption)
    typer.echo(job.out / "captions.png")


@app.command("judge")
@options(JudgeJob)
def judge(as_json: Json = False, **fields: Any) -> None:
    """Measure the judge that measures the others, on held-out scenes."""
    job = JudgeJob(**fields)
    with progress_bar("Reading", job.num) as advance:
        for record in evaluate_judge(job):
            if isinstance(record, Marks):
                advance(1, "")
            elif isinstance(record, JudgeReport):
                report = record
    if as_json:
        typer.echo(as_json_text(asdict(report)))
    else:
        Console().print(judge_table(report))


@app.command("scorer")
@options(ScorerJob)
def scorer(as_json: Json = False, **fields: Any) -> None:
    """Measure a scorer on held-out pairs: pocket's, or a CLIP checkpoint."""
    job, done = ScorerJob(**fields), 0
    with progress_bar("Scoring", job.num) as advance:
        for record in evaluate_scorer(job):
            if isinstance(record, ScoredPairs):
                advance(record.num - done, "")
                done = record.num
            elif isinstance(record, ScorerReport):
                report = record
    if as_json:
        typer.echo(as_json_text(asdict(report)))
    else:
        Console().print(scorer_table(report))


@app.command("scenes")
@options(ScenesJob)
def held_out_scenes(as_json: Json = False, **fields: Any) -> None:
    """Let the judge measure base, Prompt-to-Prompt and edit model on held-out scenes; writes report.md."""
    job = ScenesJob(**fields)
    report = None
    with progress_bar("Measuring", None) as advance:
        for record in evaluate_scenes(job):
            if isinstance(record, Measured):
                advance(1, f"{record.section} {record.batch}/{record.num_batches}")
            elif isinstance(record, ScenesReport):
                report = record
    assert report is not None  # it comes last
    if as_json:
        typer.echo(as_json_text(asdict(report)))
        return
    console = Console()
    for section in report.sections:
        for grid in grids(section):
            console.print(grid.rich())
    console.print(str(job.out / "report.md"), soft_wrap=True)


@app.command("steps")
@options(StepsJob)
def steps(as_json: Json = False, **fields: Any) -> None:
    """Find the fewest denoising steps that draw and edit as well as many."""
    job = StepsJob(**fields)
    report = None
    with progress_bar("Measuring", len(job.settings())) as advance:
        for record in fewest_steps(job):
            if isinstance(record, Setting):
                advance(1, f"{record.scheduler}, {record.steps} steps")
            elif isinstance(record, StepsReport):
                report = record
    assert report is not None  # it comes last
    if as_json:
        typer.echo(as_json_text(asdict(report)))
        return
    Console().print(steps_grid(report).rich())
    typer.echo(verdict(report))


@app.command("pie")
@options(PieJob)
def pie(as_json: Json = False, **fields: Any) -> None:
    """Measure both editors on a folder in PIE-Bench's layout; writes report.md and grid.png."""
    job = PieJob(**fields)
    report = None
    with progress_bar("Measuring", None) as advance:
        for record in evaluate_pie(job):
            if isinstance(record, PieScore):
                advance(1, f"{record.row}, {record.editing_type}")
            elif isinstance(record, PieReport):
                report = record
    assert report is not None  # it comes last
    if as_json:
        typer.echo(as_json_text(asdict(report)))
        return
    console = Console()
    console.print(pie_table(report))
    for note in notes(report):
        console.print(note, soft_wrap=True, highlight=False, markup=False)
    console.print(str(job.out / "report.md"), soft_wrap=True)
