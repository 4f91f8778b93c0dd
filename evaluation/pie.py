"""Measure editors on PIE-Bench: real pictures, the edit in prompts and in words, and where it may reach.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion: Boosting
Diffusion-based Editing with 3 Lines of Code" (2023, arXiv 2310.01506), §5; of its settings for
Prompt-to-Prompt the windows, the weight of the blended word and the operation.

Beside each editor stand the picture unchanged, which earns the best figures of the background and the worst
of the edit, and the picture once through each editor's autoencoder: what any edit on it loses.

Law: a picture once edited or measured is not edited or measured again for the same model, data and settings,
whatever interrupted the run; what cannot be edited is counted by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image

from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import (
    append_line,
    hash_json,
    locked,
    make_folder,
    read_lines,
    remove_leftovers,
    require_own,
    write_atomically,
    write_json,
)
from editors import InstructPix2PixEditor, PromptToPromptEditor
from editors.errors import EditorError
from editors.model.diffusion_model import DiffusionModel
from evaluation.pie_bench import PieBench, PieCase
from evaluation.pie_job import CROSS, NONE, SELF, WEIGHT, PieJob
from evaluation.pie_metrics import Measured, PieMetrics, Pixels
from evaluation.pie_report import PieReport, PieScore, markdown, row_of
from evaluation.report import GridRow, draw_grid
from evaluation.sampling import model_hash, through_autoencoder, weights_hash

SCORES_FILE: Final = "scores.jsonl"
_GRID_CASES: Final = 12


PieStep: TypeAlias = PieScore | PieReport
_Draw: TypeAlias = Callable[[PieCase, Image.Image, int], Image.Image]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Method:
    """One row of the report: what makes a picture of an entry, and a hash of all it depends on."""

    name: str
    model: str
    run: str
    draw: _Draw


def evaluate_pie(
    job: PieJob,
    *,
    prompt_editor: PromptToPromptEditor | None = None,
    instruction_editor: InstructPix2PixEditor | None = None,
    metrics: PieMetrics | None = None,
) -> Iterator[PieStep]:
    """Edit the pictures of a folder in PIE-Bench's layout, and measure.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on.

    Args:
        job: What to measure.
        prompt_editor: Where one is at hand; else `job.prompt_model` is loaded.
        instruction_editor: Where one is at hand; else `job.instruction_model` is loaded.
        metrics: Where they are at hand; else `job.dino` and `job.clip` are loaded.

    Yields:
        A score for each entry and row; and last the report.

    Raises:
        DatasetError: The folder cannot be read, or the results not be written.
        EditorError: A model cannot be loaded.
    """
    bench = PieBench.read(job.data).head(job.num)
    if prompt_editor is None and job.prompt_model != NONE:
        # An inversion retraces DDIM's steps, whatever the model's folder samples with.
        prompt_editor = PromptToPromptEditor.from_pretrained(
            job.prompt_model, device=job.device, scheduler="ddim"
        )
    if instruction_editor is None and job.instruction_model != NONE:
        instruction_editor = InstructPix2PixEditor.from_pretrained(job.instruction_model, device=job.device)
    methods = _methods(job, bench, prompt_editor, instruction_editor)
    metrics = metrics or PieMetrics.load(dino=job.dino, clip=job.clip, device=job.device)
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        scores = yield from _measure(job, bench, methods, metrics)
        report = PieReport(
            data_hash=bench.data_hash,
            settings={
                **{name: getattr(job, name) for name in ("inversion", "seed", "num")},
                "num_inference_steps": _num_steps(job, prompt_editor),
            },
            models=dict(metrics.models),
            missing=dict(metrics.missing),
            rows=tuple(row_of(method.name, method.model, scores) for method in methods),
        )
        _publish(job, bench, methods, report)
    yield report


def _methods(
    job: PieJob,
    bench: PieBench,
    prompt_editor: PromptToPromptEditor | None,
    instruction_editor: InstructPix2PixEditor | None,
) -> list[_Method]:
    """List what makes pictures: the editors, then what their figures are to be seen beside."""
    methods: list[_Method] = []
    models: dict[str, DiffusionModel] = {}
    steps = _num_steps(job, prompt_editor)
    asked = {"inversion": job.inversion, "steps": steps, "seed": job.seed}

    def add(name: str, model: DiffusionModel, settings: Any, draw: _Draw) -> None:
        run = hash_json([name, model_hash(model), bench.data_hash, settings])
        methods.append(_Method(name=name, model=model.name, run=run, draw=draw))
        models[name] = model

    if prompt_editor is not None:
        editor = prompt_editor
        add(
            "prompt-to-prompt",
            editor.model,
            [asked, asdict(editor.recommended), CROSS, SELF, WEIGHT],
            lambda case, picture, number: editor.edit(
                job.prompt_edit(case, picture, number)
            ).edited_image.convert("RGB"),
        )
    if instruction_editor is not None:
        follower = instruction_editor
        add(
            "instruct-pix2pix",
            follower.model,
            [job.seed, asdict(follower.recommended)],
            lambda case, picture, number: follower.edit(
                job.instruction_edit(case, picture, number)
            ).edited_image.convert("RGB"),
        )
    run = hash_json(["unchanged", bench.data_hash])
    unchanged = _Method(name="unchanged", model="", run=run, draw=lambda case, picture, number: picture)
    return [*methods, unchanged, *_floors(models, bench)]


def _num_steps(job: PieJob, editor: PromptToPromptEditor | None) -> int | None:
    """Return the steps of prompt edits, where there are any."""
    if job.num_inference_steps is None and editor is not None:
        return editor.recommended.num_inference_steps
    return job.num_inference_steps


def _floors(models: Mapping[str, DiffusionModel], bench: PieBench) -> list[_Method]:
    """List the autoencoders, each once: editors may share theirs."""
    floors: dict[str, _Method] = {}
    for name, model in models.items():
        run = hash_json([weights_hash({"side": model.native_size}, model.vae), bench.data_hash])
        if run not in floors:
            floors[run] = _Method(
                name="autoencoder" if not floors else f"autoencoder of {name}",
                model=model.name,
                run=run,
                draw=partial(_through, model),
            )
    return list(floors.values())


def _through(model: DiffusionModel, _case: PieCase, picture: Image.Image, _number: int) -> Image.Image:
    return Image.fromarray(through_autoencoder(model, np.asarray(picture)))


def _measure(
    job: PieJob, bench: PieBench, methods: Sequence[_Method], metrics: PieMetrics
) -> Generator[PieScore, None, list[PieScore]]:
    """Yield the scores of earlier runs, then measure what has none; return all."""
    path = job.out / SCORES_FILE
    measured_by = dict(sorted(metrics.models.items()))
    runs = {method.name: hash_json([method.run, measured_by]) for method in methods}
    lines = [(line.pop("run"), PieScore(**line)) for line in read_lines(path)]
    known = {(score.row, score.key): score for run, score in lines if runs.get(score.row) == run}
    scores = []
    for number, case in enumerate(bench.cases):
        picture = bench.picture(case)
        for method in methods:
            score = known.get((method.name, case.key))
            if score is None:
                score = _score(job, case, picture, number, method, metrics)
                if score.failed is None:  # what failed is cheap to try again, and may succeed
                    append_line(path, {"run": runs[method.name], **asdict(score)})
            scores.append(score)
            yield score
    return scores


def _score(
    job: PieJob,
    case: PieCase,
    picture: Image.Image,
    number: int,
    method: _Method,
    metrics: PieMetrics,
) -> PieScore:
    """Draw one picture, or take the one an earlier run kept, and measure it."""
    failed: str | None = None
    figures: dict[str, float | None] = {}
    try:
        edited = _drawn(job, case, picture, number, method)
    except EditorError as error:
        failed = str(error)
    else:
        source = np.array(picture)
        region = case.edited_region(*source.shape[:2])
        figures = metrics.measure(
            Measured(source=source, edited=edited, region=region, prompt=case.edited_prompt)
        )
    return PieScore(
        key=case.key, row=method.name, editing_type=case.editing_type, figures=figures, failed=failed
    )


def _drawn(job: PieJob, case: PieCase, picture: Image.Image, number: int, method: _Method) -> Pixels:
    """Return the picture of a row, (H, W, 3), which is kept as a file."""
    path = _picture_path(job.out, method, case.key)
    if path.exists():
        with Image.open(path) as kept:
            return np.array(kept.convert("RGB"))
    edited = np.array(method.draw(case, picture, number))
    make_folder(path.parent)
    write_atomically(path, png_bytes(edited))
    return edited


def _picture_path(out: Path, method: _Method, key: str) -> Path:
    """Return where a row's picture of an entry is kept; a key may be any text, its hash is a file name."""
    return (
        out / "pictures" / f"{method.name.replace(' ', '-')}-{method.run[:8]}" / f"{hash_json(key)[:24]}.png"
    )


def _publish(job: PieJob, bench: PieBench, methods: Sequence[_Method], report: PieReport) -> None:
    """Write the report in its three forms."""
    shown: dict[str, list[PieCase]] = {}
    for case in bench.cases[: job.num]:
        shown.setdefault(case.editing_type, []).append(case)
    firsts = [case for group in shown.values() for case in group[:2]][:_GRID_CASES]
    rows = []
    for case in firsts:
        source = bench.picture(case)
        pictures = [np.asarray(source)]
        for method in methods:
            path = _picture_path(job.out, method, case.key)
            kept = (
                Image.open(path).convert("RGB") if path.exists() else Image.new("RGB", source.size, "white")
            )
            pictures.append(np.asarray(kept))
        rows.append(GridRow(label=f"{case.editing_type}: {case.edit_prompt}", pictures=tuple(pictures)))
    headings = ("source", *(method.name for method in methods))
    write_atomically(job.out / "grid.png", png_bytes(draw_grid(headings, rows)))
    write_atomically(job.out / "report.md", markdown(report).encode())
    write_json(job.out / "report.json", asdict(report))
