"""Section (c): does the edit model do what it is told, and leave the rest alone?

Beside the model stand, for the same edits: the picture unchanged (what doing nothing earns), the exact target
once through the autoencoder (the ceiling), and SDEdit with the base, which is told the whole edited caption
(Meng et al., 2022, arXiv 2108.01073), at one strength for all kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from evaluation.benchmark import PictureFolder, Row
from evaluation.figures import psnr
from evaluation.judge import Reading
from evaluation.sampling import round_trip, sdedit
from evaluation.scenes.data import HeldOutEdit, Pixels, Source
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.readings import EditClaims
from evaluation.scenes.tools import Toolbox, pil, stacked

MODEL: Final = "edit model"
PARAPHRASED: Final = "edit model, paraphrased"
HELD: Final = "edit model, held to where it acts"
UNCHANGED: Final = "unchanged picture"
CEILING: Final = "exact target, through the autoencoder"
SDEDIT: Final = "SDEdit with the base"
SDEDIT_STRENGTH: Final = 0.6
SHOWN_PER_KIND: Final = 2
AskedEdit = tuple[Source, HeldOutEdit]


class EditSection:
    """Held-out edits, carried out and read."""

    name = "edit"

    def __init__(self, job: ScenesJob, tools: Toolbox, sources: Sequence[Source], data_hash: str) -> None:
        self.job, self.tools, self.sources = job, tools, sources
        self.num_batches = -(-len(sources) // job.sources_per_batch)
        self.shown = first_of_each_kind(sources, SHOWN_PER_KIND)
        asked = job.edit_settings(tools.edit)
        self.settings: dict[str, Any] = {
            "edit": tools.hash_of("edit"),
            "judge": tools.hash_of("judge"),
            "data": data_hash,
            "num_inference_steps": asked.num_inference_steps,
            "seed": job.seed,
            "paraphrase": job.paraphrase,
            "batch_size": job.batch_size,
            "held_to": job.held_to,
        }
        for name in ("guidance_scale", "image_guidance_scale"):
            self.settings[name] = getattr(asked, name)
        if asked.forecast > 1:
            self.settings["forecast"] = asked.forecast
        if job.baselines:
            self.how = job.sampling(tools.base)
            self.settings |= {
                "base": tools.hash_of("base"),
                "base_guidance_scale": self.how.guidance_scale,
                "sdedit_strength": SDEDIT_STRENGTH,
            }

    @staticmethod
    def load(tools: Toolbox) -> None:
        """Load what is measured, and what measures it."""
        _ = tools.edit, tools.judge

    def batches(self) -> Iterable[Sequence[Source]]:
        """Return the sources, a few at a time; each has several edits."""
        size = self.job.sources_per_batch
        return (self.sources[start : start + size] for start in range(0, len(self.sources), size))

    def measure(self, sources: Sequence[Source], folder: PictureFolder) -> list[Row]:
        """Carry out and read all edits of a few sources."""
        asked = [(source, edit) for source in sources for edit in source.edits]
        if not asked:
            return []
        made, of_a_part = self._pictures(asked)
        for place, (source, edit) in enumerate(asked):
            if (source.number, edit.kind) in self.shown:
                strip = [made[name][place] for name in self.columns[1:-1]]
                folder.keep(f"edit-{edit.kind}-{source.key}", (source.picture, *strip, edit.target))
        rows = []
        for method, pictures in made.items():
            readings = self.tools.judge.read(pictures)
            for place, (source, edit) in enumerate(asked):
                figures = _figures(source, edit, pictures[place], readings[place])
                if method == HELD:
                    figures["of_a_part"] = of_a_part[place]
                rows.append(
                    Row(section=self.name, method=method, kind=edit.kind, key=source.key, figures=figures)
                )
        return rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The pictures that the report shows of an edit, in order."""
        middle = [MODEL, *([] if self.job.held_to is None else [HELD])]
        middle += [PARAPHRASED] if self.job.paraphrase else []
        middle += [SDEDIT] if self.job.baselines else []
        return ("source", *middle, "exact target")

    def _pictures(self, asked: Sequence[AskedEdit]) -> tuple[dict[str, Pixels], list[float]]:
        """Make the pictures of every method, each (B, H, W, 3), and say which held edits are of a part."""
        job, tools = self.job, self.tools
        wordings = {MODEL: [edit.edit.edit_prompt for _, edit in asked]}
        if job.paraphrase:
            wordings[PARAPHRASED] = [edit.paraphrase for _, edit in asked]
        requests = [
            job.instruction(pil(source.picture), prompt, source.number, only=job.held_to)
            for prompts in wordings.values()
            for (source, _), prompt in zip(asked, prompts, strict=True)
        ]
        results = tools.edit.edit_many(requests, batch_size=job.batch_size)
        edited = stacked(
            [result.reach.everywhere if result.reach else result.edited_image for result in results]
        )
        made = {
            method: edited[place * len(asked) : (place + 1) * len(asked)]
            for place, method in enumerate(wordings)
        }
        first = results[: len(asked)]
        of_a_part = [float(result.reach.is_of_a_part) for result in first if result.reach]
        if job.held_to is not None:
            made[HELD] = stacked([result.edited_image for result in first])
        if job.baselines:
            sources = np.stack([source.picture for source, _ in asked])
            targets = np.stack([edit.target for _, edit in asked])
            made[UNCHANGED], made[CEILING] = sources, round_trip(tools.edit.model, targets)
            made[SDEDIT] = sdedit(
                tools.base.model,
                sources,
                [edit.edited_prompt for _, edit in asked],
                [job.seed_of(source.number) for source, _ in asked],
                self.how,
                strength=SDEDIT_STRENGTH,
            )
        return made, of_a_part


def _figures(source: Source, edit: HeldOutEdit, picture: Pixels, reading: Reading) -> dict[str, float | None]:
    """Return what is said of one edited picture; nothing but distances, where no change can be seen."""
    claims = EditClaims.of(edit.edit)
    found: dict[str, float | None] = dict.fromkeys(("target", "rest", "both"))
    if claims.target:
        target, rest = claims.reached(reading), claims.kept(reading)
        found = {"target": float(target), "rest": float(rest), "both": float(target and rest)}
    outside = psnr(picture, source.picture, edit.rest) if not edit.mask.all() else None
    return {**found, "psnr": psnr(picture, edit.target), "outside": outside}


def first_of_each_kind(sources: Sequence[Source], num: int) -> frozenset[tuple[int, str]]:
    """Return (source number, kind) of the first edits of each kind: not picked by how good they look."""
    chosen: dict[str, list[int]] = {}
    for source in sources:
        for edit in source.edits:
            chosen.setdefault(edit.kind, []).append(source.number)
    return frozenset((number, kind) for kind, numbers in chosen.items() for number in numbers[:num])
