"""Measure editors on PIE-Bench: real pictures, the edit in prompts and in words, and where it may reach.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion: Boosting
Diffusion-based Editing with 3 Lines of Code" (2023, arXiv 2310.01506), §5; of its settings for
Prompt-to-Prompt the windows, the weight of the blended word and the operation.

Beside each editor stand the picture unchanged, which earns the best figures of the background and the worst
of the edit, and the picture once through each editor's autoencoder: what any edit on it loses.

Law: a picture once edited is not edited again for the same model, data and settings, even where another
figure measures it anew; what cannot be edited is counted by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image

from dataset_builder.shards.storage import hash_json, locked, remove_leftovers, require_own
from editors import InstructPix2PixEditor, PromptToPromptEditor
from editors.errors import EditorError
from editors.model.diffusion_model import DiffusionModel
from evaluation.benchmark import Measured, PictureFolder, Row, measured
from evaluation.pie_bench import PieBench, PieCase
from evaluation.pie_job import CROSS, NONE, SELF, WEIGHT, PieJob
from evaluation.pie_metrics import Compared, PieMetrics, Pixels
from evaluation.pie_report import PieReport, page
from evaluation.report import GridRow, draw_grid, publish
from evaluation.sampling import model_hash, through_autoencoder, weights_hash
from evaluation.summary import BenchmarkReport, first_of_each, lines_of

_GRID_CASES: Final = 12
PieStep: TypeAlias = Measured | PieReport
_Draw: TypeAlias = Callable[[PieCase, Image.Image, int], Image.Image]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Method:
    """What makes a picture of an entry, and a hash of all that the picture depends on."""

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
        The entries of every method as they are measured; and last the report.

    Raises:
        DatasetError: The folder cannot be read, or the results not be written.
        EditorError: A model cannot be loaded.
    """
    bench = PieBench.read(job.data).head(job.num)
    if prompt_editor is None and job.prompt_model != NONE:
        prompt_editor = PromptToPromptEditor.from_pretrained(
            job.prompt_model, device=job.device, for_photos=True
        )
    if instruction_editor is None and job.instruction_model != NONE:
        instruction_editor = InstructPix2PixEditor.from_pretrained(job.instruction_model, device=job.device)
    methods = _methods(job, bench, prompt_editor, instruction_editor)
    metrics = metrics or PieMetrics.load(dino=job.dino, clip=job.clip, device=job.device)
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        rows = []
        for method in methods:
            benchmark = PieBenchmark(job, bench, method, metrics)
            found = yield from measured(benchmark, job.out)
            rows.append(BenchmarkReport.of(benchmark, method.model, lines_of(found)))
        report = PieReport(
            data_hash=bench.data_hash,
            settings={
                **{name: getattr(job, name) for name in ("inversion", "seed", "num")},
                "num_inference_steps": _num_steps(job, prompt_editor),
            },
            models=dict(metrics.models),
            missing=dict(metrics.missing),
            rows=tuple(rows),
        )
        publish(job.out, report, page(report), {"grid": _grid(job, bench, methods)})
    yield report


class PieBenchmark:
    """The entries of a bench, edited by one method; one entry is a batch."""

    def __init__(self, job: PieJob, bench: PieBench, method: _Method, metrics: PieMetrics) -> None:
        self.bench, self.method, self.metrics = bench, method, metrics
        self.name, self.num_batches = method.name, len(bench.cases)
        self.drawn = PictureFolder(job.out, method.run)
        # What measures does not decide what is drawn: pictures are kept under the hash of the method alone.
        self.settings: dict[str, Any] = {
            "method": method.run,
            "measured_by": dict(sorted(metrics.models.items())),
        }

    def batches(self) -> Iterable[tuple[int, PieCase]]:
        """Return the entries with their numbers."""
        return enumerate(self.bench.cases)

    def measure(self, batch: tuple[int, PieCase], pictures: PictureFolder) -> list[Row]:
        """Draw one picture, or take the one an earlier run kept, and measure it."""
        number, case = batch
        picture = self.bench.picture(case)
        figures: Mapping[str, float | None] = {}
        failed: str | None = None
        try:
            edited = self._edited(case, picture, number)
        except EditorError as error:
            failed = str(error)
        else:
            source = np.array(picture)
            region = case.edited_region(*source.shape[:2])
            figures = self.metrics.measure(
                Compared(source=source, edited=edited, region=region, prompt=case.edited_prompt)
            )
        return [
            Row(
                section=self.name,
                method=self.name,
                kind=case.editing_type,
                key=case.key,
                figures=figures,
                failed=failed,
            )
        ]

    def _edited(self, case: PieCase, picture: Image.Image, number: int) -> Pixels:
        """Return the picture of an entry, (H, W, 3), which is kept as a file."""
        name = _file_name(case)
        if not self.drawn.has(name):
            self.drawn.keep(name, (np.array(self.method.draw(case, picture, number)),))
        return self.drawn.strip(name)


def _file_name(case: PieCase) -> str:
    """Return the name of an entry's pictures: its key may be any text, its hash is a file name."""
    return hash_json(case.key)[:24]


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


def _grid(job: PieJob, bench: PieBench, methods: Sequence[_Method]) -> Pixels:
    """Draw the first entries of each kind beside what every method made of them; white where it failed."""
    folders = [PictureFolder(job.out, method.run) for method in methods]
    kinds = list(dict.fromkeys(case.editing_type for case in bench.cases))
    firsts = first_of_each(bench.cases, lambda case: case.editing_type, 2)
    shown = sorted(firsts, key=lambda case: kinds.index(case.editing_type))
    rows = []
    for case in shown[:_GRID_CASES]:
        source, name = np.asarray(bench.picture(case)), _file_name(case)
        made = (folder.strip(name) if folder.has(name) else np.full_like(source, 255) for folder in folders)
        rows.append(GridRow(label=f"{case.editing_type}: {case.edit_prompt}", pictures=(source, *made)))
    return draw_grid(("source", *(method.name for method in methods)), rows)
