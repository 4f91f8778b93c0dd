"""`wordbrush data write`: original prompts to edit triplets, by exact edits of scenes or a language model."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder.write.estimate import Estimate, estimate
from dataset_builder.write.job import WriteJob
from dataset_builder.write.writer import (
    TRIPLETS_FILE,
    PromptReport,
    WriteReport,
    write_finetune_file,
    write_triplets,
)
from ui.errors import InvalidOption, NothingMade
from ui.options import number, options
from ui.progress import progress_bar
from ui.server.outputs import Json, report
from ui.server.terminal import as_json as as_json_text


def _temperature(text: str) -> float | None:
    """Read a temperature; "server" leaves it to the server: some models take no other than their own."""
    return None if text == "server" else number(text)


@options(WriteJob, leave_out=("out",), parsers={"temperature": _temperature})
def write(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the triplets; a run that was cut off is taken up again."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked, cost and take; ask nothing.")
    ] = False,
    finetune_file: Annotated[
        Path | None,
        typer.Option("--finetune-file", help="Write --triplets as a file for tuning a writer; ask nothing."),
    ] = None,
    triplets: Annotated[
        Path | None,
        typer.Option(
            "--triplets", help="Triplets for --finetune-file: a .jsonl file, or a folder of this command."
        ),
    ] = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Write edit triplets: for each original prompt an instruction and the edited prompt."""
    if finetune_file is not None:
        _write_finetune(triplets or out, finetune_file, as_json=as_json)
        return
    if triplets is not None:
        raise InvalidOption("--triplets belongs to --finetune-file; name the file to write, or leave it out.")
    if out is None:
        raise InvalidOption("--out: say where the triplets go.")
    job = WriteJob(out=out, **fields)
    if dry_run:
        _say_estimate(estimate(job), as_json=as_json)
    else:
        _write(job, as_json=as_json)


def _write(job: WriteJob, *, as_json: bool) -> None:
    """Write triplets under a progress bar; what was made is said even if the budget ended first."""
    made: WriteReport | None = None
    done = 0
    try:
        with progress_bar("Writing triplets", job.num) as advance:
            for record in write_triplets(job):
                if isinstance(record, PromptReport):
                    advance(record.settled - done, record.outcome)
                    done = record.settled
                else:
                    made = record
    finally:
        if made is not None:
            facts = asdict(made)
            report({"out": job.out / TRIPLETS_FILE}, facts, as_json=as_json, summary=_summary(made))
    if made is not None and not made.triplets:
        raise NothingMade(
            f"none of {made.prompts} prompts became a triplet ({_counts(made.outcomes)}); change the model "
            "or the prompts, and write into a new folder."
        )


def _summary(made: WriteReport) -> str:
    """Say what was made, and what was not by its reason."""
    tokens = made.prompt_tokens + made.completion_tokens
    parts = [
        f"{made.triplets} triplets of {made.prompts} prompts ({_counts(made.outcomes)})",
        f"left out before: {_counts(made.dropped)}" if any(made.dropped.values()) else "",
        f"{sum(made.requests.values())} requests ({made.requests_now} now), {tokens} tokens"
        if tokens
        else "",
        f"money: {made.money:.4f}" if made.money is not None else "",
    ]
    return "\n".join(part for part in parts if part)


def _counts(counts: Mapping[str, int]) -> str:
    """Return counts as a person reads them, largest first."""
    by_size = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {name}" for name, count in by_size if count)


def _say_estimate(found: Estimate, *, as_json: bool) -> None:
    """Print an estimate."""
    if as_json:
        typer.echo(as_json_text(asdict(found)))
        return
    tokens = f"{found.prompt_tokens} tokens sent, about {found.completion_tokens} received"
    typer.echo(
        f"requests: {found.requests} (and {found.moderations} moderations; {found.settled} settled before)"
    )
    typer.echo(f"tokens: {tokens} (at most {found.most_completion_tokens})")
    if found.money is None or found.most_money is None:
        typer.echo("money: unknown; give --input-price and --output-price, or --prices")
    else:
        typer.echo(f"money: about {found.money:.4f}, at most {found.most_money:.4f}")
    time = "up to a day a batch" if found.seconds is None else f"about {found.seconds / 60:.1f} min"
    typer.echo(f"time: {time}")


def _write_finetune(triplets: Path | None, place: Path, *, as_json: bool) -> None:
    """Write a fine-tuning file."""
    if triplets is None:
        raise InvalidOption("--finetune-file needs --triplets: a .jsonl file, or a folder of this command.")
    count = write_finetune_file(triplets, place)
    report({"out": place}, {"conversations": count}, as_json=as_json, summary=f"{count} conversations")
