"""`wordbrush eval`: figures of an editor on pairs whose exact targets are known."""

import json
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console

from dataset_builder.evaluate import EvalJob, evaluate_pairs
from dataset_builder.evaluate_parts import (
    AutoencoderReport,
    DrawnCaption,
    PartsJob,
    PictureScore,
    draw_captions,
    evaluate_autoencoder,
)
from dataset_builder.report import table
from dataset_builder.scores import EvalReport, PairScore

from ..options import options
from ..outputs import Json
from ..progress import progress_bar

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def evaluate() -> None:
    """Measure a model on held-out pairs."""


@app.command("pairs")
@options(EvalJob)
def pairs(as_json: Json = False, **fields: Any) -> None:
    """Edit held-out pairs and compare with the exact targets, with doing nothing, and with the ceiling."""
    job = EvalJob(**fields)
    with progress_bar("Measuring", job.num) as advance:
        for record in evaluate_pairs(job):
            if isinstance(record, PairScore):
                advance(1, record.kind)
            elif isinstance(record, EvalReport):
                report = record
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        Console().print(table(report))


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
        json.dumps(asdict(report)) if as_json else f"{psnr.mean:.2f} dB ({psnr.low:.2f} to {psnr.high:.2f})"
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
