"""Section (b): does Prompt-to-Prompt change what the words change, and keep the rest of the base's picture?

Every edit is measured against the picture that the base drew of the original caption, beside what plain
re-generation (the edited caption, the same noise) does to it. A third picture, of the original caption from
other noise, tells how alike two pictures of the same words are by chance.

Re-weighting (Hertz et al., 2022, arXiv 2208.01626, §3.2) has no target that a judge could read. It is
measured by the scorer: the pull of the word is cos(picture, caption with it) − cos(picture, caption without
it), and must rise when the word weighs more and fall when it weighs less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from editors import PromptEdit
from evaluation.benchmark import PictureFolder, Row
from evaluation.figures import psnr, ssim
from evaluation.judge import Reading
from evaluation.sampling import draw
from evaluation.scenes.data import HeldOutEdit, Pixels, Source
from evaluation.scenes.instruction_edits import SHOWN_PER_KIND, AskedEdit, first_of_each_kind
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.readings import EditClaims, all_hold, holds
from evaluation.scenes.tools import Toolbox, stacked

P2P: Final = "Prompt-to-Prompt"
REGENERATED: Final = "re-generated"
CHANCE: Final = "same words, other noise"
LIGHTER: Final = "weight 0"
HEAVIER: Final = "weight 3"
WITHOUT: Final = "re-generated without the word"
REWEIGHT: Final = "reweight"
SWAP: Final = "swap"
KINDS: Final = (SWAP, "background", "colour", "material", "style", "time_of_day", "weather")
COLUMNS: Final = ("source", P2P, REGENERATED)
REWEIGHT_COLUMNS: Final = (LIGHTER, "weight 1", HEAVIER)
_WEIGHTED_KINDS: Final = ("colour", "material", "style", "time_of_day", "weather")
_WEIGHTS: Final = {LIGHTER: 0.0, HEAVIER: 3.0}
_OTHER_NOISE: Final = 2**31
# Words that captions are held together with: weighing them says nothing.
_LITTLE_WORDS: Final = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "by",
        "and",
        "is",
        "while",
        "with",
        "under",
        "made",
        "picture",
        "falling",
    )
)


class PromptSection:
    """Held-out captions, drawn, edited and read."""

    name = "p2p"

    def __init__(self, job: ScenesJob, tools: Toolbox, sources: Sequence[Source], data_hash: str) -> None:
        self.job, self.tools, self.sources = job, tools, sources
        self.num_batches = -(-len(sources) // job.sources_per_batch)
        self.shown = first_of_each_kind(sources, SHOWN_PER_KIND)
        self.how = job.sampling(tools.base)
        asked = job.base_settings(tools.base)
        self.settings: dict[str, Any] = {
            "base": tools.hash_of("base"),
            "judge": tools.hash_of("judge"),
            "data": data_hash,
            "guidance_scale": self.how.guidance_scale,
            "num_inference_steps": asked.num_inference_steps,
            "recipe": job.recipe,
            "cross_replace_steps": asked.cross_replace_steps,
            "self_replace_steps": asked.self_replace_steps,
            "seed": job.seed,
            "baselines": job.baselines,
            "batch_size": job.batch_size,
        }
        if self._weighs:
            self.settings |= {"scorer": tools.hash_of("scorer"), "weights": _WEIGHTS}

    @property
    def _weighs(self) -> bool:
        """Whether words are weighed: only the recipe of the paper steers attention to words."""
        return self.job.recipe == "paper" and self.job.baselines

    @staticmethod
    def load(tools: Toolbox) -> None:
        """Load what is measured, and what measures it."""
        _ = tools.base, tools.judge, tools.scorer

    def batches(self) -> Iterable[Sequence[Source]]:
        """Return the sources, a few at a time; each has several edits."""
        size = self.job.sources_per_batch
        return (self.sources[start : start + size] for start in range(0, len(self.sources), size))

    def measure(self, sources: Sequence[Source], folder: PictureFolder) -> list[Row]:
        """Draw, edit and read a few sources."""
        asked = [
            (source, edit)
            for source in sources
            for edit in source.edits
            if edit.kind in KINDS and edit.original_prompt != edit.edited_prompt
        ]
        if not asked:
            return []
        original, made = self._pictures(asked)
        for place, (source, edit) in enumerate(asked):
            if (source.number, edit.kind) in self.shown and self.job.baselines:
                strip = (original[place], made[P2P][place], made[REGENERATED][place])
                folder.keep(f"p2p-{edit.kind}-{source.key}", strip)
        before = self.tools.judge.read(original)
        rows = []
        for method, pictures in made.items():
            after = self.tools.judge.read(pictures)
            for place, (source, edit) in enumerate(asked):
                figures = _structure(edit, original[place], pictures[place])
                if method != CHANCE:
                    figures |= _figures(edit, before[place], after[place])
                rows.append(
                    Row(section=self.name, method=method, kind=edit.kind, key=source.key, figures=figures)
                )
        if self._weighs:
            rows += self._reweighted(asked, original, folder)
        return rows

    def _pictures(self, asked: Sequence[AskedEdit]) -> tuple[Pixels, dict[str, Pixels]]:
        """Return the pictures of the original captions, and those of every method, each (B, H, W, 3)."""
        job, base = self.job, self.tools.base
        edits = [
            job.prompt_edit(edit.original_prompt, edit.edited_prompt, source.number) for source, edit in asked
        ]
        results = base.edit_many(edits, batch_size=job.batch_size)
        original = stacked([_there(result.original_image) for result in results])
        made = {P2P: stacked([result.edited_image for result in results])}
        if job.baselines:
            seeds = [job.seed_of(source.number) for source, _ in asked]
            captions = [edit.edited_prompt for _, edit in asked]
            made[REGENERATED] = self._drawn(captions, seeds)
            # One a source is enough: its edits are compared with it under their own masks.
            numbers = sorted({source.number for source, _ in asked})
            others = self._drawn(
                [self.sources[number].caption for number in numbers],
                [job.seed_of(number + _OTHER_NOISE) for number in numbers],
            )
            made[CHANCE] = np.stack([others[numbers.index(source.number)] for source, _ in asked])
        return original, made

    def _drawn(self, captions: Sequence[str], seeds: Sequence[int]) -> Pixels:
        """Draw captions, a batch at a time."""
        size = self.job.batch_size
        blocks = [
            draw(self.tools.base.model, captions[n : n + size], seeds[n : n + size], self.how)
            for n in range(0, len(captions), size)
        ]
        return np.concatenate(blocks)

    def _reweighted(self, asked: Sequence[AskedEdit], original: Pixels, folder: PictureFolder) -> list[Row]:
        """Weigh the words of one edit of each source: another kind each time."""
        job, base = self.job, self.tools.base
        chosen = _one_of_each_source(asked)
        if not chosen:
            return []
        requests: list[PromptEdit] = []
        for place in chosen:
            source, edit = asked[place]
            for weight in _WEIGHTS.values():
                words = dict.fromkeys(added_words(edit), weight)
                requests.append(
                    job.prompt_edit(
                        edit.edited_prompt,
                        edit.edited_prompt,
                        source.number,
                        word_weights=words,
                    )
                )
        results = base.edit_many(requests, batch_size=job.batch_size)
        plain = stacked([_there(result.original_image) for result in results[:: len(_WEIGHTS)]])
        made = {
            name: stacked([result.edited_image for result in results[number :: len(_WEIGHTS)]])
            for number, name in enumerate(_WEIGHTS)
        }
        made[WITHOUT] = original[chosen]
        texts = [(asked[place][1].edited_prompt, asked[place][1].original_prompt) for place in chosen]
        pull = self._pull(plain, texts)
        rows = []
        for method, pictures in made.items():
            shifts = self._pull(pictures, texts) - pull
            for row, place in enumerate(chosen):
                source, edit = asked[place]
                shift = float(shifts[row])
                figures = {
                    "moved": float(shift > 0 if method == HEAVIER else shift < 0),
                    "shift": shift,
                    "psnr": psnr(pictures[row], plain[row]),
                    "ssim": ssim(pictures[row], plain[row]),
                }
                rows.append(
                    Row(section=REWEIGHT, method=method, kind=edit.kind, key=source.key, figures=figures)
                )
        for row, place in enumerate(chosen):
            source, edit = asked[place]
            if source.number < 2 * len(_WEIGHTED_KINDS):
                strip = (made[LIGHTER][row], plain[row], made[HEAVIER][row])
                folder.keep(f"reweight-{edit.kind}-{source.key}", strip)
        return rows

    def _pull(self, pictures: Pixels, texts: Sequence[tuple[str, str]]) -> Pixels:
        """Return how much better pictures fit the caption with the word than the one without it, (B,)."""
        scorer = self.tools.scorer
        features = scorer.image_features(pictures)  # (B, D)
        with_word, without = (scorer.text_features(list(column)) for column in zip(*texts, strict=True))
        return ((features * with_word).sum(-1) - (features * without).sum(-1)).numpy()


def added_words(edit: HeldOutEdit) -> tuple[str, ...]:
    """Return the words of weight that the edited caption has and the original has not."""
    words = [re.findall(r"[a-z-]+", prompt.lower()) for prompt in (edit.edited_prompt, edit.original_prompt)]
    return tuple(dict.fromkeys(word for word in words[0] if word not in {*words[1], *_LITTLE_WORDS}))


def _one_of_each_source(asked: Sequence[AskedEdit]) -> list[int]:
    """Choose the edit of each source whose words are weighed: kinds take turns."""
    places: dict[int, list[int]] = {}
    for place, (source, edit) in enumerate(asked):
        if edit.kind in _WEIGHTED_KINDS and added_words(edit):
            places.setdefault(source.number, []).append(place)
    return [found[number % len(found)] for number, found in places.items()]


def _structure(edit: HeldOutEdit, source: Pixels, picture: Pixels) -> dict[str, float | None]:
    """Return how much of the source is still there, outside the mask of the exact edit.

    The mask lies where the composed scene has the thing; the base may have drawn it elsewhere. It is the same
    for every method, so they can be compared.
    """
    return {"psnr": psnr(picture, source, edit.rest), "ssim": ssim(picture, source, edit.rest)}


def _figures(edit: HeldOutEdit, before: Reading, after: Reading) -> dict[str, float | None]:
    """Return what is said of one edited picture beside its source; None where no change can be seen."""
    claims = EditClaims.of(edit.edit)
    if not claims.target:
        return dict.fromkeys(("source_right", "target", "kept", "both", "background"))
    target, kept = claims.reached(after), all_hold(after, claims.kept_of(before))
    place = ("background", "")
    return {
        "source_right": float(claims.drawn_right(before)),
        "target": float(target),
        "kept": float(kept),
        "both": float(target and kept),
        "background": float(place in claims.target or holds(after, place, before.background)),
    }


def _there(picture: Any) -> Any:
    assert picture is not None  # Prompt-to-Prompt draws both
    return picture
