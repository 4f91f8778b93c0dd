"""Measure an instruction editor on exact pairs that it never trained on.

For every held-out pair the exact target is known, and so is the mask of what may change. Three pictures get
the same figures: the editor's, the source unchanged (what doing nothing earns), and the exact target once
through the editor's autoencoder (the ceiling: no editor on this autoencoder can do much better).

Law: a pair once measured is not measured again for the same model, data and settings, whatever interrupted
the run; a report says the same for the same scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes, check_whole
from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.shards import ShardReport, png_bytes
from dataset_builder.shards.storage import (
    hash_json,
    locked,
    remove_leftovers,
    require_own,
    write_atomically,
    write_json,
)
from editors import InstructPix2PixEditor
from editors.files import user_path
from evaluation import edit_runs
from evaluation.figures import psnr
from evaluation.pair_samples import PairSamples, pair_samples
from evaluation.report import GridRow, draw_grid, markdown
from evaluation.sampling import model_hash, through_autoencoder
from evaluation.scores import EvalReport, PairScore, summarise
from evaluation.sizes import named, sized

MAX_PAIRS: Final = 100_000
GRID_ROWS_PER_KIND: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalJob:
    """An editor to measure, and on what.

    Attributes:
        out: Folder for scores, pictures and report; made if missing. Run again with the same folder to go on.
        model: Name or path of the editor's model.
        data: Folder of pairs, of any form that is trained on; None draws held-out pairs into `out/pairs`.
        num: Number of pairs.
        world: World of the pairs to draw, where `data` is None.
        size: Their side in pixels; None takes the model's own.
        paraphrase: Word their instructions in ways that were never trained on.
        seed: Their seed, and that of the edits: pair n is edited with seed + n.
        guidance_scale: As in `InstructionEdit`.
        image_guidance_scale: As in `InstructionEdit`.
        num_inference_steps: As in `InstructionEdit`.
        device: Where to compute; None takes the best there is.
    """

    out: Path
    model: str = "pocket"
    data: Path | None = None
    num: int = 300
    world: str = "pocket-photos"
    size: int | None = None
    paraphrase: bool = False
    seed: int = 0
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    num_inference_steps: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.data is not None:
            object.__setattr__(self, "data", user_path(self.data))
        check_whole("num", self.num, 1, MAX_PAIRS)
        edit_runs.require_askable(self)
        if self.data is None:
            self.scene_job()

    def scene_job(self) -> SceneJob:
        """Return the job that draws the held-out pairs."""
        return SceneJob(
            out=self.out / "pairs",
            world=self.world,
            num=self.num,
            size=named(self.size),
            seed=self.seed,
            split="held_out",
            pairs=True,
            paraphrase=self.paraphrase,
        )


EvalStep: TypeAlias = ShardReport | PairScore | EvalReport


def evaluate_pairs(job: EvalJob, editor: InstructPix2PixEditor | None = None) -> Iterator[EvalStep]:
    """Edit held-out pairs and compare with their exact targets.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on. `report.table` draws the report for a terminal.

    Args:
        job: What to measure.
        editor: The editor, where one is at hand (a model in training); else `job.model` is loaded.

    Yields:
        The shards of the pairs, where they are drawn here; then a score a pair; and last the report.

    Raises:
        DatasetError: The pairs cannot be drawn or read, or the results not be written.
        EditorError: The model cannot be loaded, or an edit failed.
    """
    editor = editor or InstructPix2PixEditor.from_pretrained(job.model, device=job.device)
    job = sized(job, editor.model)
    if job.data is None:
        yield from build_scenes(job.scene_job())
    info = pair_samples(job.data or job.scene_job().out, job.num)
    settings = edit_runs.settings_of(job, editor)
    model = model_hash(editor.model)
    run = hash_json([model, info.data_hash, settings])
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        score = partial(_score_pair, job, editor, run)
        scores = yield from edit_runs.measured(job.out, run, info.samples(), PairScore, score)
        if not scores:
            raise UnreadableDataset(f"{info.folder} holds not a single pair; draw more of them.")
        report = EvalReport(
            model=job.model,
            run=run,
            model_hash=model,
            data_hash=info.data_hash,
            settings=settings,
            seconds_per_edit=float(np.mean([score.seconds for score in scores])),
            kinds=summarise(scores),
        )
        _publish(job, info, report, scores)
    yield report


def _score_pair(
    job: EvalJob, editor: InstructPix2PixEditor, run: str, number: int, sample: Mapping[str, Any]
) -> PairScore:
    """Edit one pair, keep the picture, and compare."""
    source, target = sample[records.ORIGINAL_IMAGE], sample[records.EDITED_IMAGE]  # (H, W, 3) uint8
    inside = sample[records.MASK] > 127  # (H, W)
    asked = edit_runs.request(job, Image.fromarray(source), sample[records.EDIT_PROMPT], number)
    result = editor.edit(asked)
    edited = np.array(result.edited_image.convert("RGB"))
    through = through_autoencoder(editor.model, target)
    edit_runs.keep_picture(job.out, run, sample["__key__"], edited)
    return PairScore(
        key=sample["__key__"],
        kind=sample[records.KIND],
        edit_prompt=sample[records.EDIT_PROMPT],
        edited=psnr(edited, target),
        unchanged=psnr(source, target),
        ceiling=psnr(through, target),
        edited_inside=psnr(edited, target, inside),
        unchanged_inside=psnr(source, target, inside),
        ceiling_inside=psnr(through, target, inside),
        rest=None if inside.all() else psnr(edited, source, ~inside),
        rest_ceiling=None if inside.all() else psnr(through, source, ~inside),
        seconds=result.seconds,
    )


def _publish(job: EvalJob, info: PairSamples, report: EvalReport, scores: list[PairScore]) -> None:
    """Write the report in its three forms."""
    shown = _first_of_each_kind(scores, GRID_ROWS_PER_KIND)
    rows = []
    for sample in info.samples():
        score = shown.get(sample["__key__"])
        if score is not None:
            edited = edit_runs.kept_picture(job.out, report.run, score.key)
            pictures = (sample[records.ORIGINAL_IMAGE], edited, sample[records.EDITED_IMAGE])
            rows.append(GridRow(label=f"{score.kind}: {score.edit_prompt}", pictures=pictures))
    rows.sort(key=lambda row: row.label)
    write_atomically(job.out / "grid.png", png_bytes(draw_grid(("source", "edited", "exact target"), rows)))
    write_atomically(job.out / "report.md", markdown(report).encode())
    write_json(job.out / "report.json", asdict(report))


def _first_of_each_kind(scores: list[PairScore], num: int) -> dict[str, PairScore]:
    """Return the first scores of each kind by their keys: not picked by how good they look."""
    chosen: dict[str, list[PairScore]] = {}
    for score in scores:
        chosen.setdefault(score.kind, []).append(score)
    return {score.key: score for group in chosen.values() for score in group[:num]}
