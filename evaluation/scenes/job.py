"""The job of evaluating on held-out scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from PIL import Image

from dataset_builder.build_scenes import SceneJob
from dataset_builder.errors import InvalidJob
from dataset_builder.shards.checks import CHECKS
from editors import InstructionEdit, PromptEdit
from editors.files import user_path
from editors.model.schedulers import SCHEDULERS
from editors.requests.rules import FORECAST, NUM_SEEDS
from editors.requests.settings import Recommending, Settings, resolve
from evaluation.sizes import named

if TYPE_CHECKING:
    from evaluation.sampling import Sampling

SectionName = Literal["base", "p2p", "edit", "curve"]
SECTIONS: Final[tuple[SectionName, ...]] = get_args(SectionName)
MAX_SCENES: Final = 100_000
MAX_BATCH: Final = 4096
_PARTS: Final = ("base", "p2p", "edit")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenesJob:
    """A pair of models to measure on held-out scenes, by an independent judge.

    Attributes:
        out: Folder for data, scores, pictures and report; made if missing. Run again with the same folder to
            go on.
        model: Name or path of the model that follows instructions.
        base: Name or path of the base model; None takes `model`, where it is a family of both like pocket.
        only: Which parts: base, p2p, edit, curve.
        world: World of the scenes.
        size: Their side in pixels; None takes the base's own, or the edit model's where no base is measured.
        num: Captions that the base draws.
        num_sources: Source scenes; each is edited in every way that it allows.
        num_curve: Edits at each point of the curve.
        paraphrase: Ask for every edit a second time, in words that were never trained on.
        seed: Of the scenes; the noise of picture n is that of seed + n.
        guidance_scale: Of the edit model, as in `InstructionEdit`.
        image_guidance_scale: Of the edit model, as in `InstructionEdit`.
        base_guidance_scale: Of the base model; None takes what it recommends.
        num_inference_steps: Denoising steps of every picture; None takes what each model recommends.
        forecast: Of the edit model, as in `InstructionEdit`.
        scheduler: Another than the models' own: ddim, pndm, dpm++2m, euler or euler-a.
        recipe: Of Prompt-to-Prompt, as in `PromptEdit`.
        cross_replace_steps: Of Prompt-to-Prompt: a share of the steps; None takes what the base recommends.
        self_replace_steps: Of Prompt-to-Prompt: a share of the steps; None takes what the base recommends.
        held_to: Measure edits also as they are held to where their instruction acts, by `only` of
            `InstructionEdit`, at this value; None does not.
        baselines: Measure the baselines too: unchanged picture, round trip, re-generation, SDEdit.
        judge: Folder of the judge; None takes the shipped one.
        scorer: Name or path of the scorer.
        batch_size: Pictures that go through the network together.
        device: Where to compute; None takes the best there is.
        jobs: Number of processes that draw the scenes; None takes every core. Does not change a byte.
    """

    out: Path
    model: str = "pocket"
    base: str | None = None
    only: tuple[str, ...] = SECTIONS
    world: str = "pocket"
    size: int | None = None
    num: int = 300
    num_sources: int = 50
    num_curve: int = 60
    paraphrase: bool = True
    seed: int = 0
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    base_guidance_scale: float | None = None
    num_inference_steps: int | None = None
    forecast: int | None = None
    scheduler: str | None = None
    recipe: Literal["paper", "instruct_pix2pix"] = "paper"
    cross_replace_steps: float | None = None
    self_replace_steps: float | None = None
    held_to: float | None = None
    baselines: bool = True
    judge: Path | None = None
    scorer: str = "pocket"
    batch_size: int = 16
    device: str | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if self.judge is not None:
            object.__setattr__(self, "judge", user_path(self.judge))
        CHECKS.choices("only", self.only, SECTIONS)
        for name in ("num", "num_sources", "num_curve"):
            CHECKS.whole_number(name, getattr(self, name), 1, MAX_SCENES)
        CHECKS.whole_number("batch_size", self.batch_size, 1, MAX_BATCH)
        # The rules of edits live in their requests, those of scenes in their job: building one checks ours.
        self.instruction(Image.new("RGB", (16, 16)), "check", 0, only=self.held_to)
        self.prompt_edit("a check", "a check", 0)
        self.scenes()

    def scenes(self) -> SceneJob:
        """Return the job that draws the held-out captions' scenes."""
        return self._scenes("captions", self.num)

    def sources(self) -> SceneJob:
        """Return the job that draws the source scenes and their edits."""
        return self._scenes("sources", self.num_sources)

    def _scenes(self, name: str, num: int) -> SceneJob:
        return SceneJob(
            out=self.out / name,
            world=self.world,
            num=num,
            size=named(self.size),
            seed=self.seed,
            split="held_out",
            jobs=self.jobs,
            samples_per_shard=25,
        )

    @property
    def sources_per_batch(self) -> int:
        """How many sources are measured together; each has several edits."""
        return max(1, self.batch_size // 4)

    def seed_of(self, number: int) -> int:
        """Return the seed of the noise of picture `number`."""
        return (self.seed + number) % NUM_SEEDS

    def instruction(
        self, picture: Image.Image, edit_prompt: str, number: int, **options: float | None
    ) -> InstructionEdit:
        """Return the request for an instruction edit of source `number`; `options` replace the job's."""
        own = {name: getattr(self, name) for name in ("guidance_scale", "image_guidance_scale")}
        return InstructionEdit(
            original_image=picture,
            edit_prompt=edit_prompt,
            num_inference_steps=self.num_inference_steps,
            forecast=self.forecast,
            seed=self.seed_of(number),
            **{**own, **options},
        )

    def prompt_edit(self, original: str, edited: str, number: int, **options: Any) -> PromptEdit:
        """Return the request for a prompt edit of source `number`."""
        return PromptEdit(
            original_prompt=original,
            edited_prompt=edited,
            recipe=self.recipe,
            cross_replace_steps=self.cross_replace_steps,
            self_replace_steps=self.self_replace_steps,
            guidance_scale=self.base_guidance_scale,
            num_inference_steps=self.num_inference_steps,
            seed=self.seed_of(number),
            width=self.size,
            height=self.size,
            **options,
        )

    def edit_settings(self, model: Recommending) -> Settings:
        """Return what the edit model is used with."""
        return resolve(self.instruction(Image.new("RGB", (16, 16)), "check", 0), model).settings

    def base_settings(self, model: Recommending) -> Settings:
        """Return what the base model is used with."""
        return resolve(self.prompt_edit("a check", "a check", 0), model).settings

    def sampling(self, model: Recommending) -> Sampling:
        """Return how the base draws, once the size is named."""
        from evaluation.sampling import Sampling

        asked = self.base_settings(model)
        return Sampling(
            size=named(self.size),
            guidance_scale=asked.guidance_scale,
            num_inference_steps=asked.num_inference_steps,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StepsJob:
    """Settings to compare on held-out scenes.

    Attributes:
        out: Folder for data, scores and report; made if missing. Run again with the same folder to go on.
        model: Name or path of the model that follows instructions.
        base: Name or path of the base model; None takes `model`, where it is a family of both like pocket.
        only: Which parts: base, p2p, edit.
        steps: Numbers of steps to compare; the largest is what the others are held against.
        schedulers: Schedulers to compare: ddim, pndm, dpm++2m, euler, euler-a; the first with the most steps
            is what all are held against.
        forecasts: Windows of forecasts to compare, as in `InstructionEdit`; the smallest is what all are held
            against. Base and Prompt-to-Prompt know none.
        tolerance: How much worse a figure may be, in points (hundredths).
        world: World of the scenes.
        size: Their side in pixels; None takes the model's own.
        num: Captions that the base draws.
        num_sources: Source scenes; each is edited in every way that it allows.
        seed: Of scenes and noise.
        judge: Folder of the judge; None takes the shipped one.
        batch_size: Pictures that go through the network together.
        device: Where to compute; None takes the best there is.
        jobs: Number of processes that draw the scenes; None takes every core. Does not change a byte.
    """

    out: Path
    model: str = "pocket"
    base: str | None = None
    only: tuple[str, ...] = _PARTS
    steps: tuple[int, ...] = (50, 20, 12, 8, 6, 4)
    schedulers: tuple[str, ...] = ("ddim", "dpm++2m", "euler")
    forecasts: tuple[int, ...] = (1,)
    tolerance: float = 2.0
    world: str = "pocket"
    size: int | None = None
    num: int = 100
    num_sources: int = 25
    seed: int = 0
    judge: Path | None = None
    batch_size: int = 16
    device: str | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", user_path(self.out))
        if len(self.steps) * len(self.forecasts) < 2:
            raise InvalidJob(
                f"steps names {len(self.steps)}, forecasts {len(self.forecasts)} numbers: there is nothing "
                "to compare; add some."
            )
        for number in self.steps:
            CHECKS.whole_number("steps", number, 1, 1000)
        CHECKS.choices("schedulers", self.schedulers, SCHEDULERS)
        if "curve" in self.only:
            raise InvalidJob(
                f"only names 'curve', but steps are compared on {', '.join(_PARTS)}; leave it out."
            )
        CHECKS.number("tolerance", self.tolerance, 0, 100)
        for window in self.forecasts:
            CHECKS.whole_number("forecasts", window, *FORECAST)
        for setting in self.settings():
            self.at(*setting)

    def settings(self) -> list[tuple[str, int, int]]:
        """Return (scheduler, steps, forecast) of every setting, the one all are held against first."""
        numbers, windows = sorted(set(self.steps), reverse=True), sorted(set(self.forecasts))
        return [
            (scheduler, number, window)
            for number in numbers
            for scheduler in dict.fromkeys(self.schedulers)
            for window in windows
        ]

    def at(self, scheduler: str, steps: int, forecast: int) -> ScenesJob:
        """Return the evaluation of one setting."""
        return ScenesJob(
            out=self.out,
            model=self.model,
            base=self.base,
            only=self.only,
            world=self.world,
            size=self.size,
            num=self.num,
            num_sources=self.num_sources,
            paraphrase=False,
            seed=self.seed,
            num_inference_steps=steps,
            forecast=forecast,
            scheduler=scheduler,
            baselines=False,
            judge=self.judge,
            batch_size=self.batch_size,
            device=self.device,
            jobs=self.jobs,
        )
