"""The jobs of `wordbrush eval`: what to measure, on what, and where to.

Law: nothing heavy is imported, so that a command can say what it takes before torch is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataset_builder import scenes
from dataset_builder.build_scenes import SceneJob
from dataset_builder.errors import InvalidJob
from dataset_builder.shards.checks import CHECKS
from editors.files import user_path
from editors.requests.rules import SEED
from evaluation.asking import Asking, require_askable
from evaluation.photo_pairs import PhotoPairs
from evaluation.sizes import named

MAX_PAIRS: Final = 100_000
MAX_PHOTOS: Final = 100_000
MAX_CHAINS: Final = 10_000
LONGEST: Final = 50
MAX_SCENES: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalJob(Asking):
    """An editor to measure, and on what.

    Attributes:
        data: Folder of pairs, of any form that is trained on; None draws held-out pairs into `out/pairs`.
        num: Number of pairs.
        world: World of the pairs to draw, where `data` is None.
        size: Their side in pixels; None takes the model's own.
        paraphrase: Word their instructions in ways that were never trained on.
        seed: Their seed, and that of the edits: pair n is edited with seed + n.
    """

    data: Path | None = None
    num: int = 300
    world: str = "pocket-photos"
    size: int | None = None
    paraphrase: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.data is not None:
            object.__setattr__(self, "data", user_path(self.data))
        CHECKS.whole_number("num", self.num, 1, MAX_PAIRS)
        require_askable(self)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotosJob(Asking):
    """An editor to measure on photographs.

    Attributes:
        out: Folder for photographs, results and report; made if missing. Run again with it to go on.
        photos: A folder of photographs, on which styles are measured; None takes views into panoramas of real
            places, on which hours and weathers are exact too.
        num: Number of photographs.
        size: Their longer side in pixels.
        seed: Of the draws, and of the edits: photograph n is edited with seed + n.
    """

    photos: Path | None = None
    num: int = 300
    size: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.photos is not None:
            object.__setattr__(self, "photos", user_path(self.photos))
        CHECKS.whole_number("num", self.num, 1, MAX_PHOTOS)
        CHECKS.whole_number("size", self.size, 64, 512 if self.photos is None else 4096)
        CHECKS.whole_number("seed", self.seed, *SEED)
        require_askable(self)

    def pairs(self) -> PhotoPairs:
        """Return what is measured on."""
        return PhotoPairs(
            out=self.out / "photographs", photos=self.photos, num=self.num, size=self.size, seed=self.seed
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainsJob(Asking):
    """An editor to measure on edits in a row.

    Attributes:
        num: Number of chains.
        length: Edits in each.
        world: World of the scenes.
        size: Their side in pixels; None takes the model's own.
        seed: Of the scenes, and of the edits: edit k of chain n has seed + length·n + k.
    """

    num: int = 40
    length: int = 10
    world: str = "pocket-photos"
    size: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        CHECKS.whole_number("num", self.num, 1, MAX_CHAINS)
        CHECKS.whole_number("length", self.length, 1, LONGEST)
        require_askable(self)
        self.scenes()

    def scenes(self) -> SceneJob:
        """Return the job whose scenes the chains begin with."""
        return SceneJob(
            out=self.out,
            world=self.world,
            num=self.num,
            size=named(self.size),
            seed=self.seed,
            split="held_out",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsJob:
    """A base model to measure on held-out scenes.

    Attributes:
        out: Folder for scenes, figures and grid; made if missing.
        model: Name or path of the model.
        data: Folder of scenes; None draws held-out ones into `out/scenes`.
        num: Number of scenes.
        world: World of the scenes to draw, where `data` is None.
        size: Their side in pixels; None takes the model's own.
        seed: Their seed, and that of the noise: picture n starts from seed + n.
        guidance_scale: How strongly the base model follows the captions.
        num_inference_steps: Its denoising steps.
        device: Where to compute; None takes the best there is.
    """

    out: Path
    model: str = "pocket"
    data: Path | None = None
    num: int = 64
    world: str = "pocket"
    size: int | None = None
    seed: int = 0
    guidance_scale: float = 4.0
    num_inference_steps: int = 30
    device: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.data is not None:
            object.__setattr__(self, "data", user_path(self.data))
        CHECKS.whole_number("num", self.num, 1, MAX_SCENES)
        CHECKS.whole_number("num_inference_steps", self.num_inference_steps, 1, 1000)
        if self.data is None:
            self.scene_job()

    def scene_job(self) -> SceneJob:
        """Return the job that draws the held-out scenes."""
        out = self.out / "scenes"
        return SceneJob(
            out=out, world=self.world, num=self.num, seed=self.seed, split="held_out", size=named(self.size)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeJob:
    """A judge to measure on held-out scenes.

    Attributes:
        out: Folder for scenes and figures; made if missing.
        judge: Folder of the judge; None takes the shipped one.
        data: Folder of scenes; None draws held-out ones of the judge's world into `out/scenes`.
        num: Number of scenes.
        seed: Their seed.
        jobs: Number of processes that draw them; None takes every core.
    """

    out: Path
    judge: Path | None = None
    data: Path | None = None
    num: int = 2000
    seed: int = 0
    jobs: int | None = None

    def __post_init__(self) -> None:
        for field in ("out", "judge", "data"):
            value = getattr(self, field)
            object.__setattr__(self, field, None if value is None else user_path(value))
        if self.out is None:
            raise InvalidJob("out is missing; name a folder for scenes and figures.")
        CHECKS.whole_number("num", self.num, 1, 100_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerJob:
    """A scorer to measure on held-out pairs.

    Attributes:
        out: Folder for pairs and figures; made if missing.
        scorer: "pocket", the folder of a trained scorer, or folder or Hub id of a CLIP checkpoint.
        data: Folder of exact pairs; None draws held-out ones into `out/pairs`.
        num: Number of pairs.
        world: World of the pairs to draw, where `data` is None.
        seed: Their seed.
        jobs: Number of processes that draw them; None takes every core.
    """

    out: Path
    scorer: str = "pocket"
    data: Path | None = None
    num: int = 640
    world: str = "pocket-photos"
    seed: int = 0
    jobs: int | None = None

    def __post_init__(self) -> None:
        for field in ("out", "data"):
            value = getattr(self, field)
            object.__setattr__(self, field, None if value is None else user_path(value))
        CHECKS.choice("world", self.world, scenes.WORLDS)
        CHECKS.whole_number("num", self.num, 2, 100_000)
