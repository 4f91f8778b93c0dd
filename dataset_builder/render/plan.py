"""Plans of a rendering job, sample by sample: pure, made before anything is loaded.

References: InstructPix2Pix (Brooks, Holynski, Efros, 2023, arXiv:2211.09800), section 3.1.2: many samples a
prompt, each with its own share p ~ U(0.1, 0.9) of steps that share attention; Prompt-to-Prompt (Hertz et al.,
2022, arXiv:2208.01626). Samples of one source (noise, guidance) differ in p alone, so that the source, which
depends on no edit, is drawn once for all of them.

Law: every draw is H(run seed, triplet, sample): it depends on nothing that was drawn before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from PIL import ImageOps

from dataset_builder.errors import InvalidJob
from dataset_builder.render.filters import POCKET, ThresholdChoice, Thresholds
from dataset_builder.render.scores import SCORES
from dataset_builder.render.tools import NO_SCORER, model_fingerprint, scorer_fingerprint
from dataset_builder.render.triplets import TripletRow
from dataset_builder.shards.checks import CHECKS, MAX_SEED
from dataset_builder.shards.executors import Executor
from dataset_builder.shards.fill import Running
from dataset_builder.shards.storage import hash_json
from editors.files import user_path
from editors.pictures.images import read_picture
from editors.requests.edits import INVERSIONS, Inversion, PromptEdit
from editors.requests.rules import NUM_SEEDS

Recipe = Literal["instruct_pix2pix", "paper"]
# How fast and where, but not what; models and words are in the configuration by their hashes.
_NOT_IN_CONFIG: Final = (
    *("triplets", "out", "model", "scorer", "device"),
    *("executor", "jobs", "part", "max_error_rate"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderJob(ThresholdChoice):
    """Pairs to draw.

    Attributes:
        triplets: File of triplets, one JSON object a line, or a folder of `wordbrush data write`.
        out: Folder for the shards; made if missing.
        model: What draws: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
        scorer: What scores: "pocket", a CLIP model by folder or Hub id, or "none".
        recipe: "instruct_pix2pix" shares self-attention alone, "paper" cross- and self-attention.
        sources: Most originals (noise and guidance) a triplet.
        samples_per_source: Edits of each original, which differ in p alone: they share the original, and
            their own steps until they part, so many of one cost less than one of many.
        p: Range that each p is drawn from, as shares of the steps.
        guidance_scale: Range that each original's guidance is drawn from; None takes what the model
            recommends.
        num_inference_steps: Denoising steps.
        size: Side of the pictures in pixels; None draws them at the model's own. Photos are cut square and
            scaled to it.
        inversion: How a photo's noise is found: direct, ddim, negative_prompt, null_text,
            edit_friendly or flow_edit.
        scheduler: Another than the model's own: ddim, pndm, dpm++2m, euler or euler-a.
        enough: Draw no further original for a triplet of which so many pairs reach the thresholds; None draws
            all.
        seed: Start of all randomness.
        batch_size: Originals in one batch, each with its edits.
        triplets_per_shard: Triplets in one file, and lost work at most when a run is killed, per job.
        device: None takes CUDA, else Apple's GPU, else the CPU, each job with one thread.
        executor: "process" takes a process for each job, "serial" none, "ray" a Ray cluster; "slurm" prints
            an array script of as many tasks as jobs.
        jobs: Number of processes, or tasks at a time; None takes every core. Does not change a byte.
        part: Draw every n-th shard only, written k/n with k from 0: the tasks of a cluster's array.
        max_error_rate: Give up when a larger share of all pairs could not be drawn.
    """

    triplets: Path
    out: Path
    model: str = "pocket"
    scorer: str = "pocket"
    recipe: Recipe = "instruct_pix2pix"
    sources: int = 2
    samples_per_source: int = 8
    p: tuple[float, float] = (0.1, 0.9)
    guidance_scale: tuple[float, float] | None = None
    num_inference_steps: int = 20
    size: int | None = None
    inversion: Inversion = "direct"
    scheduler: str | None = None
    enough: int | None = None
    seed: int = 0
    batch_size: int = 4
    triplets_per_shard: int = 32
    device: str | None = None
    executor: Executor = "process"
    jobs: int | None = None
    part: str | None = None
    max_error_rate: float = 0.1

    def __post_init__(self) -> None:
        super(RenderJob, self).__post_init__()
        for name in ("triplets", "out"):
            object.__setattr__(self, name, user_path(getattr(self, name)))
        CHECKS.choice("recipe", self.recipe, get_args(Recipe))
        for name in ("p", "guidance_scale"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._range(name, 1.0 if name == "p" else 100.0))
        CHECKS.whole_number("sources", self.sources, 1, 1000)
        CHECKS.whole_number("samples_per_source", self.samples_per_source, 1, 100)
        CHECKS.whole_number("num_inference_steps", self.num_inference_steps, 1, 1000)
        CHECKS.whole_number("seed", self.seed, 0, MAX_SEED)
        CHECKS.whole_number("batch_size", self.batch_size, 1, 1024)
        CHECKS.whole_number("triplets_per_shard", self.triplets_per_shard, 1, 100_000)
        Running.of(self)
        if self.size is not None:
            CHECKS.whole_number("size", self.size, 16, 4096)
        CHECKS.choice("inversion", self.inversion, INVERSIONS)
        if self.enough is not None:
            CHECKS.whole_number("enough", self.enough, 1, 100_000)
            if self.scorer == NO_SCORER:
                raise InvalidJob(
                    'enough needs scores, but scorer is "none"; name a scorer, or leave enough out.'
                )

    def _range(self, name: str, most: float) -> tuple[float, float]:
        """Return a field that is a range, checked."""
        value = getattr(self, name)
        numbers = isinstance(value, Sequence) and [one for one in value if isinstance(one, int | float)]
        if not numbers or len(value) != len(numbers) or len(numbers) != 2:
            raise InvalidJob(
                f"{name} is {value!r}, but must be two numbers, the least and the most; give two."
            )
        low, high = numbers
        if not 0 <= low <= high <= most:
            raise InvalidJob(f"{name} is {value!r}, but must rise within 0 to {most:g}; change it.")
        return float(low), float(high)

    def needed(self) -> Thresholds:
        """Return what a pair must reach to count towards `enough`."""
        return self.thresholds(by_pocket=self.scorer == POCKET)

    @property
    def samples_per_triplet(self) -> int:
        """Most pairs that are drawn of one triplet."""
        return self.sources * self.samples_per_source

    def config(self, rows: Sequence[TripletRow]) -> dict[str, Any]:
        """Return what the bytes depend on: words, photos and weights, neither folders nor jobs.

        Raises:
            InvalidJob: A photo or the weights cannot be read, or there are photos, but no size for them.
        """
        if self.size is None and any(row.photo is not None for row in rows):
            raise InvalidJob(
                "size is None, but the triplets name photos; say the side that they are scaled to."
            )
        fields = asdict(self)
        for name in (*_NOT_IN_CONFIG, "preset", *SCORES):
            del fields[name]
        return {
            **fields,
            "kind": "rendered",
            "triplets": hash_json([row.to_json() for row in rows]),
            "model": model_fingerprint(self.model),
            "scorer": NO_SCORER if self.scorer == NO_SCORER else scorer_fingerprint(self.scorer),
            "thresholds": None if self.enough is None else asdict(self.needed()),
            "samples_per_triplet": self.samples_per_triplet,
        }


def planned_edits(job: RenderJob, row: TripletRow, source: int) -> list[tuple[int, PromptEdit]]:
    """Return the edits of one original of a triplet, each with the number of its sample.

    The range of p is cut into as many parts as there are samples, and each draws in its own: over all samples
    p is uniform, and no two edits of an original are alike.

    Raises:
        InvalidEdit: The words are no prompts, or the photo is no picture.
    """
    common = _generator(job, row, f"source {source}")
    seed = int(common.integers(NUM_SEEDS))
    guidance = None if job.guidance_scale is None else _between(*job.guidance_scale, common.random())
    source_picture = _picture(job, row)
    planned = []
    for place in range(job.samples_per_source):
        index = source * job.samples_per_source + place
        draws = _generator(job, row, f"sample {index}")
        p = _between(*job.p, (place + draws.random()) / job.samples_per_source)
        cross = _between(*job.p, draws.random()) if job.recipe == "paper" else 0.0
        edit = PromptEdit(
            original_prompt=row.triplet.original_prompt,
            edited_prompt=row.triplet.edited_prompt,
            recipe=job.recipe,
            cross_replace_steps=cross,
            self_replace_steps=p,
            guidance_scale=guidance,
            num_inference_steps=job.num_inference_steps,
            seed=seed,
            **source_picture,
        )
        planned.append((index, edit))
    return planned


def _picture(job: RenderJob, row: TripletRow) -> dict[str, Any]:
    """Return what a request says of its original: the photo, square and scaled, or the size to draw at."""
    if row.photo is None or job.size is None:
        return {"width": job.size, "height": job.size}
    photo = read_picture("original_image", row.photo).image
    return {"original_image": ImageOps.fit(photo, (job.size, job.size)), "inversion": job.inversion}


def _generator(job: RenderJob, row: TripletRow, what: str) -> np.random.Generator:
    """Return the generator of one draw: H(run seed, triplet, what)."""
    return np.random.default_rng(int(hash_json([job.seed, row.id, what])[:16], 16))


def _between(low: float, high: float, share: float) -> float:
    """Return a place in a range, in four digits: what is recorded is what is used."""
    return round(low + (high - low) * share, 4)
