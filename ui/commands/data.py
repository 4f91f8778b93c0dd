"""`wordbrush data`: draw captioned scenes and exact edit pairs, fetch their artwork, check a dataset."""

from collections import Counter
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from PIL import Image

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.scenes import contact_sheet, fetch_artwork
from dataset_builder.shards.dataset import read_dataset, verify_dataset
from editors.requests.recipe import save_picture
from ui.commands import data_pairs, data_write
from ui.errors import InvalidOption
from ui.options import Commands, options
from ui.progress import progress_bar
from ui.server.outputs import Json, png_place, report

MOST_ON_SHEET = 400
"""Samples on a contact sheet: more cannot be looked at."""
CELL = 128
"""Side in pixels of a picture on it; smaller ones are enlarged by a whole number."""

app = Commands(no_args_is_help=True, add_completion=False)


@app.callback()
def data() -> None:
    """Draw scenes and edit pairs, fetch their artwork, check a dataset."""


@app.command("scenes")
@options(SceneJob, leave_out=("out",))
def draw_scenes(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the dataset; a run that was cut off is taken up again."),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option("--grid", help="PNG with the first scenes (with --pairs: pairs) side by side."),
    ] = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Draw captioned scenes, or exact edit pairs, into a dataset; or a contact sheet of them."""
    if out is None and grid is None:
        raise InvalidOption("--out: say where the dataset goes, or give --grid for a contact sheet alone.")
    paths = {"grid": png_place(grid, option="--grid")} if grid else {}
    with TemporaryDirectory(prefix="wordbrush-") as passing:
        job = SceneJob(out=out or Path(passing), **fields)
        facts = _build(job)
        if grid:
            save_picture(_draw_sheet(job.out), paths["grid"])
    if out:
        paths["out"] = out
    summary = ", ".join(f"{name}: {value}" for name, value in facts.items())
    report(paths, facts, as_json=as_json, summary=summary)


def _build(job: SceneJob) -> dict[str, Any]:
    """Draw a dataset under a progress bar and return its counts."""
    rejects: Counter[str] = Counter()
    count = drawn = 0
    with progress_bar("Drawing pairs" if job.pairs else "Drawing scenes", job.num) as advance:
        for shard in build_scenes(job):
            advance(shard.stop - shard.start, shard.name)
            count, drawn = count + shard.count, drawn + shard.count * shard.drawn
            rejects.update(shard.rejects)
    return {"samples": count, "drawn_now": drawn, "rejects": dict(rejects)}


def _draw_sheet(folder: Path) -> Image.Image:
    """Draw a dataset's first samples side by side, each with its words."""
    cells = []
    for sample in islice(read_dataset(folder).samples(), MOST_ON_SHEET):
        if records.IMAGE in sample:
            cells.append((sample[records.IMAGE], sample[records.CAPTION]))
        else:
            cells.append((sample[records.ORIGINAL_IMAGE], sample[records.ORIGINAL_PROMPT]))
            cells.append((sample[records.EDITED_IMAGE], sample[records.EDIT_PROMPT]))
    pictures, words = zip(*cells, strict=True)
    return contact_sheet(pictures, words, enlarge=max(1, CELL // pictures[0].shape[0]))


@app.command("artwork")
def artwork(
    sets: Annotated[
        list[str] | None, typer.Argument(help="Names of sets; all of them if none is named.")
    ] = None,
) -> None:
    """Fetch the artwork and panoramas that scenes are drawn with into the user's cache (needs npm)."""
    for folder in fetch_artwork(sets or None, lambda name, state: typer.echo(f"{name}: {state}", err=True)):
        typer.echo(folder)


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    discard: Annotated[
        bool, typer.Option("--discard", help="Remove damaged shards, so that they can be drawn again.")
    ] = False,
) -> None:
    """Hash every shard of a dataset anew and name those that are not what was written."""
    damaged = 0
    for check in verify_dataset(folder, discard=discard):
        damaged += check.problem is not None
        typer.echo(f"{check.name}: {check.problem or 'as written'}")
    raise typer.Exit(1 if damaged else 0)


app.command("write")(data_write.write)
app.command("render")(data_pairs.render)
app.command("filter")(data_pairs.keep)
app.command("calibrate")(data_pairs.calibrate)
app.command("stats")(data_pairs.stats)
app.command("export")(data_pairs.export)
app.command("browse")(data_pairs.browse)
app.command("build")(data_pairs.build)
