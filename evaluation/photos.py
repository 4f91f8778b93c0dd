"""Measure an instruction editor on photographs, at their own size and where the exact result is known.

An edit is compared with its exact target, and so are, in the same run, the photograph as it was (what doing
nothing earns) and the target at the size that the model works at, enlarged again (what the best small picture
would be without the photograph's own detail).

Law: a photograph once measured is not measured again for the same model, data and settings, whatever
interrupted the run; a report is a pure function of its scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder import records
from dataset_builder.shards.checks import check_whole
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
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
from editors.model.photo import Photo
from editors.requests.rules import SEED
from evaluation import edit_runs
from evaluation.figures import Interval, interval, psnr, ssim
from evaluation.photo_pairs import PhotoPairs
from evaluation.report import Grid, GridRow, draw_grid
from evaluation.sampling import model_hash

MAX_PHOTOS: Final = 100_000
ALL: Final = "all"
SHOWN: Final = 2
"""Rows of the grid for each thing that is asked for."""
_CELL: Final = 192


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotosJob:
    """An editor to measure on photographs.

    Attributes:
        out: Folder for photographs, results and report; made if missing. Run again with it to go on.
        photos: A folder of photographs, on which styles are measured; None takes views into panoramas of real
            places, on which hours and weathers are exact too.
        model: Name or path of the editor's model.
        num: Number of photographs.
        size: Their longer side in pixels.
        seed: Of the draws, and of the edits: photograph n is edited with seed + n.
        guidance_scale: As in `InstructionEdit`.
        image_guidance_scale: As in `InstructionEdit`.
        num_inference_steps: As in `InstructionEdit`.
        device: Where to compute; None takes the best there is.
    """

    out: Path
    photos: Path | None = None
    model: str = "pocket"
    num: int = 300
    size: int = 512
    seed: int = 0
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    num_inference_steps: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.photos is not None:
            object.__setattr__(self, "photos", user_path(self.photos))
        check_whole("num", self.num, 1, MAX_PHOTOS)
        check_whole("size", self.size, 64, 512 if self.photos is None else 4096)
        check_whole("seed", self.seed, *SEED)
        edit_runs.require_askable(self)

    def pairs(self) -> PhotoPairs:
        """Return what is measured on."""
        return PhotoPairs(
            out=self.out / "photographs", photos=self.photos, num=self.num, size=self.size, seed=self.seed
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoScore:
    """Figures of one photograph against its exact target, at full size: PSNR in dB, SSIM of the luminance.

    Attributes:
        key: Its name.
        target: What was asked for, in a word: "night", "watercolour".
        edit_prompt: The instruction.
        psnr: Of the edited photograph.
        psnr_unchanged: Of the photograph as it was.
        psnr_enlarged: Of the target at the model's size, enlarged.
        ssim: Of the edited photograph.
        ssim_unchanged: Of the photograph as it was.
        ssim_enlarged: Of the target at the model's size, enlarged.
        seconds: Time of the edit.
    """

    key: str
    target: str
    edit_prompt: str
    psnr: float
    psnr_unchanged: float
    psnr_enlarged: float
    ssim: float
    ssim_unchanged: float
    ssim_enlarged: float
    seconds: float

    def figures(self) -> dict[str, float]:
        """Return what a report takes the mean of: "nearer" is 1 where the edit beats doing nothing."""
        named = ("psnr", "psnr_unchanged", "psnr_enlarged", "ssim", "ssim_unchanged", "ssim_enlarged")
        nearer = {"nearer": float(self.psnr > self.psnr_unchanged)}
        return nearer | {name: getattr(self, name) for name in named}


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotosReport:
    """A report: figures, and the models and photographs they are of.

    Attributes:
        model: Name of the model.
        run: Hash of model, data and settings.
        settings: The scales, steps and seed.
        seconds_per_edit: Mean time of an edit.
        rows: Target, or "all", to figure to mean and interval.
        num: Target, or "all", to the number of photographs.
    """

    model: str
    run: str
    settings: Mapping[str, Any]
    seconds_per_edit: float
    rows: Mapping[str, Mapping[str, Interval]]
    num: Mapping[str, int]


PhotosStep: TypeAlias = ShardReport | PhotoScore | PhotosReport


def evaluate_photos(job: PhotosJob, editor: InstructPix2PixEditor | None = None) -> Iterator[PhotosStep]:
    """Edit photographs and compare with their exact targets.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on.

    Args:
        job: What to measure.
        editor: The editor, where one is at hand; else `job.model` is loaded.

    Yields:
        The shards of the photographs; then a score each; and last the report.

    Raises:
        DatasetError: The photographs cannot be drawn or read, or the results not be written.
        EditorError: The model cannot be loaded, or an edit failed.
    """
    pairs = job.pairs()
    yield from pairs.build()
    info = read_dataset(pairs.out)
    editor = editor or InstructPix2PixEditor.from_pretrained(job.model, device=job.device)
    settings = edit_runs.settings_of(job, editor)
    run = hash_json([model_hash(editor.model), info.data_hash, settings])
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        score = partial(_score, job, editor, run)
        scores = yield from edit_runs.measured(job.out, run, info.samples(), PhotoScore, score)
        report = PhotosReport(model=job.model, run=run, settings=settings, **_summary(scores))
        _publish(job, info, report, scores)
    yield report


def _score(
    job: PhotosJob, editor: InstructPix2PixEditor, run: str, number: int, sample: Mapping[str, Any]
) -> PhotoScore:
    """Edit one photograph, keep the result, and compare."""
    photo, target = sample[records.ORIGINAL_IMAGE], sample[records.EDITED_IMAGE]  # (H, W, 3) uint8
    asked = edit_runs.request(job, Image.fromarray(photo), sample[records.EDIT_PROMPT], number)
    result = editor.edit(asked)
    edited = np.array(result.edited_image.convert("RGB"))
    enlarged = _enlarged(target, Photo.read(Image.fromarray(photo), editor.model).size)
    edit_runs.keep_picture(job.out, run, sample["__key__"], edited)
    return PhotoScore(
        key=sample["__key__"],
        target=sample[records.KIND],
        edit_prompt=sample[records.EDIT_PROMPT],
        psnr=psnr(edited, target),
        psnr_unchanged=psnr(photo, target),
        psnr_enlarged=psnr(enlarged, target),
        ssim=ssim(edited, target),
        ssim_unchanged=ssim(photo, target),
        ssim_enlarged=ssim(enlarged, target),
        seconds=result.seconds,
    )


def _enlarged(target: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the target made as small as (width, height) and large again."""
    picture = Image.fromarray(target)
    small = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC))


def _groups(scores: Sequence[PhotoScore]) -> dict[str, list[PhotoScore]]:
    """Return all scores, then those of each target, in the order in which they are asked for."""
    groups: dict[str, list[PhotoScore]] = {ALL: list(scores)}
    for score in scores:
        groups.setdefault(score.target, []).append(score)
    return groups


def _summary(scores: Sequence[PhotoScore]) -> dict[str, Any]:
    """Return means, numbers and the time of an edit."""
    rows = {
        name: {
            figure: interval([score.figures()[figure] for score in group]) for figure in group[0].figures()
        }
        for name, group in _groups(scores).items()
    }
    return {
        "rows": rows,
        "num": {name: len(group) for name, group in _groups(scores).items()},
        "seconds_per_edit": float(np.mean([score.seconds for score in scores])),
    }


def table(report: PhotosReport, *, intervals: bool) -> Grid:
    """Return the report as a table; its intervals take more room than a terminal has."""
    shares = f"{report.num[ALL]} photographs, {report.model}, {report.seconds_per_edit:.1f} s an edit"
    rows = tuple((name, str(report.num[name]), *_cells(row, intervals)) for name, row in report.rows.items())
    headings = ("num", "nearer, %", "PSNR, dB", "undone", "small", "SSIM", "undone", "small")
    return Grid(title=shares, first="asked for", headings=headings, rows=rows)


def _cells(row: Mapping[str, Interval], intervals: bool) -> list[str]:
    """Return the figures of a row in words; intervals are of those that judge the editor."""
    judging = ("nearer", "psnr", "ssim") if intervals else ()
    cells = []
    for name, value in row.items():
        scale, digits = (100, 0) if name == "nearer" else (1, 1 if name.startswith("psnr") else 3)
        mean, low, high = (f"{scale * number:.{digits}f}" for number in (value.mean, value.low, value.high))
        cells.append(f"{mean} [{low}, {high}]" if name in judging else mean)
    return cells


_LEGEND: Final = """\
*Nearer*: share of edits that are nearer to the exact target than the photograph as it was (mean squared
error). *PSNR* and *SSIM*: to the exact target, at full size. *Undone*: of the photograph as it was. *Small*:
of the target at the size that the model works at, enlarged again: the best there is without the photograph's
own detail. Brackets: 95 % bootstrap intervals.
"""


def _publish(job: PhotosJob, info: DatasetInfo, report: PhotosReport, scores: Sequence[PhotoScore]) -> None:
    """Write the report in its three forms; the pictures are the first of each target, as they came."""
    shown = {score.key for name, group in _groups(scores).items() if name != ALL for score in group[:SHOWN]}
    rows = []
    for sample in info.samples():
        if sample["__key__"] in shown:
            edited = edit_runs.kept_picture(job.out, report.run, sample["__key__"])
            pictures = (sample[records.ORIGINAL_IMAGE], edited, sample[records.EDITED_IMAGE])
            rows.append(GridRow(label=sample[records.EDIT_PROMPT], pictures=pictures))
    grid = draw_grid(("photograph", "edited", "exact target"), rows, side=_CELL)
    write_atomically(job.out / "grid.png", png_bytes(grid))
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    page = (
        table(report, intervals=True).markdown(),
        f"Settings: {settings}. Run {report.run[:12]}.",
        _LEGEND,
        "![](grid.png)",
    )
    write_atomically(job.out / "report.md", "\n\n".join((*page, "")).encode())
    write_json(job.out / "report.json", asdict(report))
