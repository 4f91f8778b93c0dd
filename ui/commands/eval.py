"""`wordbrush eval`: figures of an editor on pairs whose exact targets are known."""

import json
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console

from dataset_builder.evaluate import EvalJob, evaluate_pairs
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
