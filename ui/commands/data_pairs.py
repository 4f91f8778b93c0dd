"""`wordbrush data render`, `filter`, `stats`, `export`: triplets to scored pairs to a dataset to others."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain, groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from dataset_builder.build_job import StageReport, build_dataset, read_build_job, with_jobs
from dataset_builder.pairs.browse import Catalogue
from dataset_builder.pairs.export import ExportJob, export_pairs
from dataset_builder.render.filter_pairs import FilterJob, calibrated_thresholds, filter_pairs
from dataset_builder.render.plan import RenderJob
from dataset_builder.render.render import render_pairs
from dataset_builder.render.triplets import read_triplets
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.slurm import array_script
from dataset_builder.shards.storage import write_json
from editors.requests.recipe import save_picture
from evaluation.job_report import job_report, pair_sheet, shown_pairs
from evaluation.stats import PairStats, job_folders, pair_stats
from ui.commands.editing import tell_needs_of_job
from ui.errors import NothingMade, UnusablePlace
from ui.options import flags, options
from ui.progress import progress_bar
from ui.server.addresses import LOCAL, AllowHost, host_names, until_told_to_end
from ui.server.outputs import Json, file_place, png_place, report, require_apart
from ui.server.own_command import own_command
from ui.server.proxies import without_proxies

Out = Annotated[
    Path, typer.Option("--out", help="Folder of the dataset; a run that was cut off is taken up again.")
]

LOG_SECONDS = 60
"""Least time between two lines in a log file, where no bar is drawn."""
_OF_ONE_TASK = ("triplets", "out", "executor", "jobs", "part")


@options(RenderJob, leave_out=("triplets", "out"))
def render(
    triplets: Annotated[Path, typer.Argument(help="File of triplets, one JSON object a line.")],
    out: Out,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Draw pairs of triplets by Prompt-to-Prompt, several ways each, and score them."""
    job = RenderJob(triplets=triplets, out=out, **fields)
    if job.executor == "slurm":
        command = [
            *own_command(),
            "data",
            "render",
            str(triplets),
            "--out",
            str(out),
            *flags(job, _OF_ONE_TASK),
            "--jobs",
            "1",
        ]
        typer.echo(array_script(command, tasks=job.jobs or 1, name="wordbrush-render"), nl=False)
        return
    total = len(read_triplets(triplets))
    tell_needs_of_job([job.model], device=job.device)
    facts = _drain(render_pairs(job), "Drawing pairs", total)
    _say(out, facts, as_json=as_json)


@options(FilterJob, leave_out=("rendered", "out"))
def keep(
    rendered: Annotated[Path, typer.Argument(help="Folder that `wordbrush data render` filled.")],
    out: Out,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Keep the rendered pairs that pass, as a dataset to train on; nothing is drawn anew."""
    facts = _drain(filter_pairs(FilterJob(rendered=rendered, out=out, **fields)), "Packing pairs", None)
    _say(out, facts, as_json=as_json)


def calibrate(
    exact: Annotated[Path, typer.Argument(help="Folder of a dataset of exact pairs.")],
    scorer: Annotated[
        str, typer.Option("--scorer", help='"pocket", or a CLIP model by folder or Hub id.')
    ] = "pocket",
    quantile: Annotated[
        float, typer.Option("--quantile", help="Share of the exact pairs that may fail each threshold.")
    ] = 0.05,
    num: Annotated[int, typer.Option("--num", help="How many pairs to look at.")] = 2000,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write the thresholds to.")] = None,
) -> None:
    """Find the thresholds that almost all exact pairs reach, for `filter` and `render`."""
    if out is not None:
        file_place(out, suffix=".json")
    found = asdict(calibrated_thresholds(exact, scorer=scorer, quantile=quantile, num=num))
    if out is not None:
        write_json(
            out, {**found, "quantile": quantile, "num": num, "data_hash": read_dataset(exact).data_hash}
        )
    typer.echo(" ".join(f"--{name.replace('_', '-')} {value}" for name, value in found.items()))


def stats(
    folder: Annotated[Path, typer.Argument(help="Folder that `wordbrush data filter` filled.")],
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="PNG to write: histograms of the scores, p against them, pairs kept and left out.",
        ),
    ] = None,
    grid: Annotated[Path | None, typer.Option("--grid", help="PNG to write: a sheet of kept pairs.")] = None,
    num: Annotated[int, typer.Option("--num", min=1, help="How many pairs --grid shows.")] = 40,
    as_json: Json = False,
) -> None:
    """Say what became of a job's triplets: the funnel, the scores, and p against the direction."""
    asked = {"report": page, "grid": grid}
    paths = {name: png_place(path, option=f"--{name}") for name, path in asked.items() if path is not None}
    require_apart({f"--{name}": place for name, place in paths.items()})
    found = pair_stats(folder)
    if paths and job_folders(folder).rendered is None:
        lost = f"{folder}: what was rendered is not beside it, so there are no pictures to show"
        if grid is not None:
            raise UnusablePlace(f"{lost}; give the folder of a whole job.")
        typer.echo(f"{lost}.", err=True)
    if page is not None:
        save_picture(Image.fromarray(job_report(folder)), paths["report"])
    if grid is not None:
        kept = pair_sheet("Kept", shown_pairs(folder, num, kept=True))
        save_picture(Image.fromarray(kept), paths["grid"])
    report(paths, asdict(found), as_json=as_json, summary="" if as_json else _table_of(found))


def _table_of(found: PairStats) -> str:
    """Write figures as lines for a terminal."""
    lines = [f"{stage:24} {number:8}" for stage, number in found.funnel.items()]
    lines += [f"  not written: {reason:17} {number:8}" for reason, number in found.not_written.items()]
    lines += [f"  left out: {reason:20} {number:8}" for reason, number in found.rejects.items()]
    lines.append(f"{'rendered per kept pair':24} {found.funnel['rendered'] / found.funnel['kept']:8.1f}")
    lines += [
        f"{'score':22} {'rendered: 5 %':>14} {'50 %':>8} {'95 %':>8} "
        f"{'kept: 5 %':>10} {'50 %':>8} {'95 %':>8}"
    ]
    for name, all_of in found.rendered.items():
        kept = found.kept[name]
        lines.append(
            f"{name:22} {all_of.low:14.3f} {all_of.middle:8.3f} {all_of.high:8.3f} "
            f"{kept.low:10.3f} {kept.middle:8.3f} {kept.high:8.3f}"
        )
    lines.append(f"{'p':>6} {'pairs':>8} {'direction':>10} {'same':>8} {'kept':>7}")
    lines += [
        f"{p:6.2f} {num:8} {way:10.3f} {same:8.3f} {kept:7.1%}" for p, num, way, same, kept in found.by_p
    ]
    lines.append(f"{'kind':24} {'rendered':>8} {'kept':>8}")
    lines += [f"{kind or 'unknown':24} {made:8} {kept:8}" for kind, (made, kept) in found.kinds.items()]
    return "\n".join(lines)


@options(ExportJob, leave_out=("dataset", "out"))
def export(
    dataset: Annotated[Path, typer.Argument(help="Folder of a dataset of pairs.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; new, or empty.")],
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Write a dataset of pairs for others, with its card."""
    job = ExportJob(dataset=dataset, out=out, **fields)
    done = 0
    facts: dict[str, Any] = {}
    with progress_bar("Writing pairs", read_dataset(dataset).num_samples) as advance:
        for record in export_pairs(job):
            if isinstance(record, int):
                advance(record - done, "")
                done = record
            else:
                facts = asdict(record)
    _say(out, facts, as_json=as_json)


def browse(
    folder: Annotated[Path, typer.Argument(help="Folder of a dataset of pairs.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7861,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = LOCAL[0],
    allow_host: AllowHost = None,
) -> None:
    """Open a page to look through pairs, and to keep or reject them by key; exports honour it."""
    names, catalogue = host_names(allow_host), Catalogue(folder)
    with without_proxies():
        from ui.app import serve  # gradio: not before the folder is known to hold pairs
        from ui.components.browse_page import build_browser

    if host not in LOCAL:
        typer.echo(f"The page will be open to everyone who can reach {host}; it has no password.", err=True)
    page = build_browser(catalogue)
    try:
        address = serve(page, host=host, port=port, allow_hosts=names)
        typer.echo(f"The pairs are at {address} (Ctrl-C ends it)", err=True)
        until_told_to_end()
    finally:
        page.close(verbose=False)


def build(
    config: Annotated[Path, typer.Option("--config", help="TOML file of the whole job.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the dataset, in place of the file's.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes of each stage, in place of the file's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a whole dataset from one file: write, render, filter and pack, export."""
    job = read_build_job(config, out=out)
    if jobs is not None:
        job = with_jobs(job, jobs)
    tell_needs_of_job([job.render.model], device=job.render.device)
    facts: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for stage, records in groupby(build_dataset(job), key=lambda record: record.stage):
        began = time.monotonic()
        for record in _watched(stage, records):
            if record.facts is not None:
                facts[stage] = record.facts
        if not as_json:
            typer.echo(
                f"{stage}: " + ", ".join(f"{name}: {value}" for name, value in facts[stage].items()), err=True
            )
        seconds[stage] = time.monotonic() - began
    drawn, kept = facts["render"]["drawn_now"], facts["filter"]["samples"]
    facts["cost_of_a_kept_pair"] = {
        "rendered": round(facts["render"]["samples"] / kept, 2),
        "seconds": round(seconds["render"] / kept, 2) if drawn else None,
    }
    summary = f"cost of a kept pair: {facts['cost_of_a_kept_pair']}"
    report(job.folders, facts, as_json=as_json, summary=summary)


def _watched(stage: str, records: Iterator[StageReport]) -> Iterator[StageReport]:
    """Show how far a stage is."""
    first = next(records)
    done = 0
    with progress_bar(stage, first.total) as advance:
        for record in chain([first], records):
            advance(record.done - done, "")
            done = record.done
            yield record


def _drain(shards: Iterator[ShardReport], label: str, total: int | None) -> dict[str, Any]:
    """Watch a run under a bar that tells its rate, and return its counts."""
    rejects: Counter[str] = Counter()
    count = drawn = done = before = 0
    began = said = time.monotonic()
    with progress_bar(label, total) as advance:
        for shard in shards:
            units, now = shard.stop - shard.start, time.monotonic()
            count, drawn = count + shard.count, drawn + shard.count * shard.drawn
            done, before = done + units, before + units * (not shard.drawn)
            rejects.update(shard.rejects)
            rate = f"{60 * drawn / max(now - began, 1e-9):.0f} pairs/min"
            advance(units, rate)
            if now - said > LOG_SECONDS and not sys.stderr.isatty():
                said = now
                left = (now - began) / max(done - before, 1) * ((total or done) - done)
                typer.echo(f"{label}: {done} of {total}, {rate}, {left / 60:.0f} min left", err=True)
    return {"samples": count, "drawn_now": drawn, "rejects": dict(rejects)}


def _say(out: Path, facts: dict[str, Any], *, as_json: bool) -> None:
    """Report where a dataset is and what it holds."""
    summary = ", ".join(f"{name}: {value}" for name, value in facts.items())
    report({"out": out}, facts, as_json=as_json, summary=summary)
    if facts.get("samples") == 0:  # an export says itself that it has no pair
        why = ", ".join(f"{count} {reason}" for reason, count in facts["rejects"].items()) or "none came in"
        raise NothingMade(f"{out}: holds no pair ({why}); lower what they fail by, or give other triplets.")
