"""Section (d): the paper's curve, how much of the picture is kept against how far it goes where it should.

Reference: Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), §4.1 and figure 8: similarity of the two
pictures against directional similarity, for image guidance scales 1.0 to 2.2 at text guidance scale 7.5.
Here also at the scale that the model recommends, with SDEdit (Meng et al., 2022) at several strengths and the
exact targets beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from dataset_builder.render.clip import clip_scores
from evaluation.benchmark import PictureFolder, Row
from evaluation.sampling import sdedit
from evaluation.scenes.data import HeldOutEdit, Pixels, Source
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.tools import Toolbox, pil, stacked

IMAGE_SCALES: Final = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2)
PAPER_SCALE: Final = 7.5
STRENGTHS: Final = (0.3, 0.5, 0.7, 0.9)
SDEDIT: Final = "SDEdit, by strength"
EXACT: Final = "exact targets"
_SCALED: Final = "s_T "


class CurveSection:
    """The same edits at every point of the curve; a point is a batch."""

    name = "curve"

    def __init__(self, job: ScenesJob, tools: Toolbox, sources: Sequence[Source], data_hash: str) -> None:
        self.job, self.tools = job, tools
        self.edits = balanced(sources, job.num_curve)
        asked = job.edit_settings(tools.edit)
        scale = asked.guidance_scale
        self.points = [
            (f"{_SCALED}{text:g}", image)
            for text in sorted({PAPER_SCALE, float(scale)})
            for image in IMAGE_SCALES
        ]
        self.settings: dict[str, Any] = {
            "edit": tools.hash_of("edit"),
            "scorer": tools.hash_of("scorer"),
            "data": data_hash,
            "num_curve": job.num_curve,
            "num_inference_steps": asked.num_inference_steps,
            "seed": job.seed,
            "batch_size": job.batch_size,
            "guidance_scale": scale,
            "baselines": job.baselines,
        }
        if asked.forecast > 1:
            self.settings["forecast"] = asked.forecast
        if job.baselines:
            self.how = job.sampling(tools.base)
            self.settings |= {"base": tools.hash_of("base"), "base_guidance_scale": self.how.guidance_scale}
            self.points += [*((SDEDIT, strength) for strength in STRENGTHS), (EXACT, 0.0)]
        self.num_batches = len(self.points)

    @staticmethod
    def load(tools: Toolbox) -> None:
        """Load what is measured, and what measures it."""
        _ = tools.edit, tools.scorer

    def batches(self) -> Iterable[tuple[str, float]]:
        """Return the points."""
        return self.points

    def measure(self, point: tuple[str, float], folder: PictureFolder) -> list[Row]:
        """Carry out the edits at one point, and score them."""
        method, value = point
        sources = np.stack([source.picture for source, _ in self.edits])
        scores = clip_scores(
            self.tools.scorer,
            sources,
            self._pictures(method, value, sources),
            [edit.original_prompt for _, edit in self.edits],
            [edit.edited_prompt for _, edit in self.edits],
        )
        return [
            Row(
                section=self.name,
                method=method,
                kind=f"{value:g}" if method != EXACT else "",
                key=f"{source.key}-{edit.kind}",
                figures={"image_image": score.image_image, "direction": score.direction},
            )
            for (source, edit), score in zip(self.edits, scores, strict=True)
        ]

    def _pictures(self, method: str, value: float, sources: Pixels) -> Pixels:
        """Make the pictures of one point, (B, H, W, 3)."""
        job, tools = self.job, self.tools
        if method == EXACT:
            return np.stack([edit.target for _, edit in self.edits])
        if method == SDEDIT:
            blocks = []
            for start in range(0, len(self.edits), job.batch_size):
                some = self.edits[start : start + job.batch_size]
                captions = [edit.edited_prompt for _, edit in some]
                seeds = [job.seed_of(source.number) for source, _ in some]
                rows = sources[start : start + job.batch_size]
                blocks.append(sdedit(tools.base.model, rows, captions, seeds, self.how, strength=value))
            return np.concatenate(blocks)
        scales = {"guidance_scale": float(method.removeprefix(_SCALED)), "image_guidance_scale": value}
        requests = [
            job.instruction(pil(source.picture), edit.edit.edit_prompt, source.number, **scales)
            for source, edit in self.edits
        ]
        results = tools.edit.edit_many(requests, batch_size=job.batch_size)
        return stacked([result.edited_image for result in results])


def balanced(sources: Sequence[Source], num: int) -> list[tuple[Source, HeldOutEdit]]:
    """Choose edits so that kinds come equally often: the first of each kind, then the second of each, ..."""
    ranked: list[tuple[int, str, Source, HeldOutEdit]] = []
    seen: dict[str, int] = {}
    for source in sources:
        for edit in source.edits:
            seen[edit.kind] = seen.get(edit.kind, 0) + 1
            ranked.append((seen[edit.kind], edit.kind, source, edit))
    ranked.sort(key=lambda entry: entry[:2])
    return [(source, edit) for _, _, source, edit in ranked[:num]]
