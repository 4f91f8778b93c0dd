"""The judge: reads from a picture what its caption should have said, to measure models that it never trains.

It knows one world only, and is itself measured on composed scenes, where the truth is known exactly
(`evaluation.judge_figures`).

Law: a judge reads pictures of the world it was trained on, or none: the hash of the world's words and of the
sources that draw it goes with its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder import scenes
from dataset_builder.errors import ChangedWorld, InvalidJob, JudgeMissing
from dataset_builder.render.tower_files import read_network, save_network
from dataset_builder.scenes import Scene
from dataset_builder.scenes.vocabulary import BACKGROUNDS, STYLES
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.storage import hash_json
from editors.errors import told_as
from editors.files import user_path
from editors.pictures.batches import reduced, to_tensor
from evaluation.judge_model import HIDDEN, PLACE_HEADS, JudgeModel, Vocabulary

HEADS: Final = ("noun", "count", "colour", "material", "background", "time_of_day", "weather", "style")
SHIPPED: Final = Path(__file__).parent / "weights" / "judge"
CARD_FILE: Final = "judge.json"
_BATCH: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """The looks of one noun in a picture.

    Attributes:
        count: How many there are.
        colour: The nearest of the world's colour words; of a `truth`, "" where no word names one.
        material: What it is made of; None is its own.
    """

    count: int
    colour: str
    material: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A judge's reading of a picture.

    Attributes:
        things: Noun to what it looks like, for nouns that are there.
    """

    background: str
    time_of_day: str
    weather: str
    style: str | None
    things: Mapping[str, Thing]


def truth(scene: Scene) -> Reading:
    """Return what a perfect judge says of a composed scene.

    Raises:
        InvalidJob: Things of one noun look different; a reading has one look a noun.
    """
    things: dict[str, Thing] = {}
    for item in scene.objects:
        alike = [other for other in scene.objects if other.noun == item.noun]
        looks = {(other.colour, other.material) for other in alike}
        if len(looks) > 1:
            raise InvalidJob(
                f"scene has {len(alike)} of noun '{item.noun}' in {len(looks)} looks; give them one colour "
                "and material."
            )
        things[item.noun] = Thing(count=len(alike), colour=item.colour or "", material=item.material)
    return Reading(
        background=scene.background,
        time_of_day=scene.time_of_day,
        weather=scene.weather,
        style=scene.style,
        things=MappingProxyType(things),
    )


def visible(scene: Scene) -> frozenset[str]:
    """Return the heads whose truth can be seen in a scene's picture.

    A style without colours hides what is told by colour alone: colours, materials, and the hour. A place
    that has but one hour or one weather (a room has no weather) shows neither.
    """
    place = BACKGROUNDS[scene.background]
    world = scenes.WORLDS[scene.world]
    hidden = set()
    if scene.style and STYLES[scene.style].colourless:
        hidden |= {"colour", "material", "time_of_day"}
    if len(set(place.times) & set(world.times_of_day)) < 2:
        hidden.add("time_of_day")
    if len(set(place.weathers) & set(world.weathers)) < 2:
        hidden.add("weather")
    return frozenset(HEADS) - hidden


def labels(scene: Scene, vocabulary: Vocabulary) -> dict[str, NDArray[np.int64]]:
    """Return the classes of a scene by head: () for the place, (nouns,) for things; -1 where hidden."""
    true, seen = truth(scene), visible(scene)
    nouns = len(vocabulary.noun)
    count = np.zeros(nouns, np.int64)
    colour, material = (np.full(nouns, HIDDEN, np.int64) for _ in range(2))
    for noun, thing in true.things.items():
        row = vocabulary.noun.index(noun)
        count[row] = vocabulary.count.index(thing.count)
        if "colour" in seen and thing.colour:
            colour[row] = vocabulary.colour.index(thing.colour)
        if "material" in seen:
            material[row] = vocabulary.material.index(thing.material)
    place = {
        head: np.array(getattr(vocabulary, head).index(getattr(true, head)) if head in seen else HIDDEN)
        for head in PLACE_HEADS
    }
    return place | {"count": count, "colour": colour, "material": material}


def world_hash(name: str) -> str:
    """Return one hash over a world's words and the version of its pictures; edits may change."""
    words = Vocabulary.of(scenes.WORLDS[name]).to_dict()
    return hash_json({"words": words, "world": name, "world_version": world_version(name, pairs=False)})


def holds(larger: str, world: str) -> bool:
    """Say whether a world has every word of another one, so that who learnt it can read both."""
    if larger == world:
        return True
    if not {larger, world} <= scenes.WORLDS.keys():
        return False
    theirs, ours = (Vocabulary.of(scenes.WORLDS[name]).to_dict() for name in (larger, world))
    return all(set(ours[head]) <= set(theirs[head]) for head in ours)


class Learnt(Protocol):
    """What says which world it learnt, and which version of it."""

    world: str
    world_hash: str


def require_world(judge: Learnt, world: str) -> None:
    """Refuse a judge of another world, or of another version of it.

    Raises:
        InvalidJob: It reads another world, which does not hold this one.
        ChangedWorld: Its world is drawn differently by now.
    """
    if not holds(judge.world, world):
        raise InvalidJob(
            f"world is {world!r}, but the judge reads {judge.world!r}; choose that, or another judge."
        )
    if judge.world_hash != world_hash(judge.world):
        raise ChangedWorld(
            f"the judge learnt world '{judge.world}' as of {judge.world_hash[:12]}, but it is drawn as of "
            f"{world_hash(judge.world)[:12]} now; train the judge again with `wordbrush train judge`."
        )


class Judge:
    """A trained judge.

    Args:
        model: Its network.
        card: What its folder's `judge.json` says: world, world_hash, size, vocabulary, and how it came about.
    """

    def __init__(self, model: JudgeModel, card: Mapping[str, Any]) -> None:
        self.model, self.card = model.eval().requires_grad_(False), card
        self.vocabulary = Vocabulary.from_dict(card["vocabulary"])
        self.world: str = card["world"]
        self.world_hash: str = card["world_hash"]
        self.size: int = card["size"]

    @classmethod
    def from_pretrained(cls, folder: Path | str | None = None) -> Judge:
        """Load a judge.

        Args:
            folder: Of a trained judge; None takes the shipped one.

        Raises:
            JudgeMissing: The folder holds no judge, or a damaged one.
            ChangedWorld: Its world is drawn differently by now.
        """
        judge = cls._load(SHIPPED if folder is None else user_path(folder))
        if judge.world not in scenes.WORLDS or judge.world_hash != world_hash(judge.world):
            raise ChangedWorld(
                f"the judge in {folder or SHIPPED} learnt another version of world '{judge.world}' than is "
                "drawn now; train it again with `wordbrush train judge`."
            )
        return judge

    @classmethod
    def _load(cls, folder: Path) -> Judge:
        def tell(reason: str) -> JudgeMissing:
            return JudgeMissing(
                f"{folder} holds no judge that can be read ({reason}); name the folder of a trained one."
            )

        with told_as(tell):
            model, card = read_network(
                folder,
                CARD_FILE,
                lambda card, network: JudgeModel(Vocabulary.from_dict(card["vocabulary"]), **network),
            )
            return cls(model, card)

    def save(self, folder: Path) -> None:
        """Write the judge, its weights rounded to float16."""
        save_network(folder, CARD_FILE, self.model, self.card)

    @torch.inference_mode()
    def read(self, pictures: NDArray[np.uint8]) -> list[Reading]:
        """Say what pictures show.

        Args:
            pictures: (B, H, W, 3) uint8, of the side the judge was trained on; of a multiple of it, they are
                averaged down.

        Raises:
            InvalidJob: The pictures have another size.
        """
        seen = reduced(pictures, self.size)
        if seen is None:
            raise InvalidJob(
                f"pictures are {pictures.shape[1:]}, but this judge reads ({self.size}, {self.size}, 3) and "
                "multiples of that side; draw them so."
            )
        readings: list[Reading] = []
        for start in range(0, len(seen), _BATCH):
            logits = self.model(to_tensor(seen[start : start + _BATCH]))
            best = {head: value.argmax(-1).numpy() for head, value in logits.items()}
            readings += [self._reading(best, row) for row in range(len(best["count"]))]
        return readings

    def _reading(self, best: Mapping[str, NDArray[np.int64]], row: int) -> Reading:
        """Put the classes of one picture into words."""
        words = self.vocabulary
        things = {
            noun: Thing(
                count=words.count[best["count"][row, column]],
                colour=words.colour[best["colour"][row, column]],
                material=words.material[best["material"][row, column]],
            )
            for column, noun in enumerate(words.noun)
            if words.count[best["count"][row, column]]
        }
        place = {head: getattr(words, head)[best[head][row]] for head in PLACE_HEADS}
        return Reading(**place, things=MappingProxyType(things))


def stack_labels(rows: list[dict[str, NDArray[np.int64]]]) -> dict[str, Tensor]:
    """Return the labels of many scenes by head: (N,) or (N, nouns)."""
    return {head: torch.from_numpy(np.stack([row[head] for row in rows])) for head in rows[0]}
