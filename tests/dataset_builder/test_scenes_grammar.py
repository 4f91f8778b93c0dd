"""Scenes are values: they come back from JSON, say what is wrong with them, and keep the splits apart."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from dataset_builder.scenes import (
    EDIT_KINDS,
    NOUNS,
    WORLDS,
    InvalidScene,
    Scene,
    SceneObject,
    World,
    caption,
    sample_edit,
    sample_scene,
    split_of,
)
from dataset_builder.scenes.scene import DRAWING_SETS, Framing, Worn
from dataset_builder.scenes.splits import depiction_held_out
from dataset_builder.scenes.vocabulary import (
    ACCESSORIES,
    BACKGROUNDS,
    COLOURS,
    MATERIALS,
    STYLES,
)

WORLD = WORLDS["offline"]
CAT = SceneObject(noun="cat", depiction="twemoji", x=0.5, y=0.9, size=0.5)
BEAR = SceneObject(noun="bear", depiction="twemoji:head", x=0.5, y=0.9, size=0.5)
PLACE = Scene(seed=1, world="offline", background="beach")


def test_the_world_is_as_large_as_promised() -> None:
    full = WORLDS["full"]
    assert len(full.nouns) >= 140 and len(full.backgrounds) >= 30 and len(full.styles) >= 11
    assert len(full.colours) >= 12 and len(full.materials) >= 13
    assert len(full.times_of_day) >= 4 and len(full.weathers) >= 7
    assert full.nouns == tuple(NOUNS) and full.materials == tuple(MATERIALS) and full.styles == tuple(STYLES)


@pytest.mark.parametrize("name", WORLDS)
def test_scenes_come_back_from_json_and_are_drawn_the_same_again(name: str) -> None:
    for seed in range(150):
        scene = sample_scene(seed, world=WORLDS[name], split="train")
        assert scene == sample_scene(seed, world=WORLDS[name], split="train")
        assert Scene.from_json(scene.to_json()) == scene
        assert json.loads(scene.to_json())["seed"] == seed


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_held_out_is_never_trained_on(name: str) -> None:
    world = WORLDS[name]
    for seed in range(200):
        scene = sample_scene(seed, world=world, split="train")
        assert split_of(scene) == "train"
        sets = world.drawing_sets
        assert not any(depiction_held_out(item.noun, item.depiction, sets) for item in scene.objects)
        edit = sample_edit(scene, seed)
        assert edit is None or split_of(edit.edited) == "train"
        assert split_of(sample_scene(seed, world=world, split="held_out")) == "held_out"


def test_some_drawings_are_held_out_but_every_noun_can_be_learnt() -> None:
    drawings = [(name, item) for name, entry in NOUNS.items() for item in entry.depictions(DRAWING_SETS)]
    held = [pair for pair in drawings if depiction_held_out(*pair, DRAWING_SETS)]
    assert 0.05 < len(held) / len(drawings) < 0.2
    for sets in (DRAWING_SETS, *((one,) for one in DRAWING_SETS)):
        for name, entry in NOUNS.items():
            names = entry.depictions(sets)
            assert not names or any(not depiction_held_out(name, item, sets) for item in names)


def test_every_noun_of_a_world_is_drawn_about_as_often() -> None:
    world = WORLDS["pocket"]
    scenes = [sample_scene(seed, world=world, split="train") for seed in range(1600)]
    seen = Counter(item.noun for scene in scenes for item in scene.objects)
    assert seen.keys() == set(world.nouns)
    assert min(seen.values()) > 0.5 * seen.total() / len(world.nouns)


def test_framing_holds_before_and_after_an_edit() -> None:
    world = WORLDS["pocket"]
    left, right = world.framing.x
    drawings: dict[str, set[str]] = {}
    for seed in range(400):
        scene = sample_scene(seed, world=world, split="train")
        edit = sample_edit(scene, seed, world=world)
        for one in (scene, edit.edited) if edit else (scene,):
            assert one.style is None or one.weather == "clear"
            for item in one.objects:
                drawings.setdefault(item.noun, set()).add(item.depiction)
                assert left <= item.x <= right and not item.flip and item.size_word is None
                assert abs(item.turn) <= world.framing.turn
    assert drawings.keys() == set(world.nouns)
    assert all(len(names) == 1 for names in drawings.values())


@pytest.mark.parametrize(
    "wrong",
    [{"x": (0.6, 0.4)}, {"x": (0.2, 1.2)}, {"size": (-0.1, 0.5)}, {"turn": 90.0}, {"turn": float("nan")}],
)
def test_a_framing_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidScene, match="give a number from"):
        Framing(**wrong)


def test_no_kind_of_edit_is_rare() -> None:
    world, num = WORLDS["pocket-photos"], 1500
    edits = [
        sample_edit(sample_scene(seed, world=world, split="train"), seed, world=world) for seed in range(num)
    ]
    kinds = Counter(edit.kind for edit in edits if edit is not None)
    assert kinds.keys() == set(EDIT_KINDS)
    assert min(kinds.values()) > 0.03 * kinds.total() and max(kinds.values()) < 0.15 * kinds.total()


def test_worlds_draw_only_what_they_hold() -> None:
    small = WORLDS["small"]
    for seed in range(200):
        scene = sample_scene(seed, world=small, split="train")
        assert scene.background in small.backgrounds and scene.weather in small.weathers
        assert scene.style is None or scene.style in small.styles
        assert set(scene.artwork_sets) <= set(small.artwork_sets)
        assert len(scene.objects) <= small.max_objects
        for item in scene.objects:
            assert item.noun in small.nouns
            assert item.colour is None or item.colour in small.colours
            assert all(worn.name in small.accessories for worn in item.worn)


def words_of(world: World) -> dict[str, tuple[str, ...]]:
    return {"colour": world.colours, "material": world.materials}


def test_captions_name_exactly_what_is_there() -> None:
    for seed in range(400):
        scene = sample_scene(seed, world=WORLDS["full"], split="train")
        said = f" {caption(scene)} "
        colourless = scene.style is not None and STYLES[scene.style].colourless
        for item in scene.objects:
            entry = NOUNS[item.noun]
            assert entry.name in said or entry.plural in said
            if item.colour:
                assert (f" {item.colour} " in said) or colourless
            if item.material:
                assert (f"made of {item.material}" in said) or colourless
            for worn in item.worn:
                assert ACCESSORIES[worn.name].phrase.removeprefix("a ") in said
        assert ("made of" in said) == (not colourless and any(item.material for item in scene.objects))
        assert ("wearing" in said) == any(item.worn or item.shirt for item in scene.objects)
        assert (" at night" in said) == (
            scene.time_of_day == "night" and len(BACKGROUNDS[scene.background].times) > 1
        )
        assert ("in the rain" in said) == (scene.weather == "rain")
        if scene.style:
            assert said.strip().startswith(STYLES[scene.style].phrase)


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (replace(PLACE, objects=(CAT,)), "a cat on a beach"),
        (
            replace(PLACE, objects=(replace(CAT, colour="orange"),), time_of_day="night"),
            "an orange cat on a beach at night",
        ),
        (replace(PLACE, objects=(replace(CAT, x=0.2), replace(CAT, x=0.8))), "two cats on a beach"),
        (
            replace(PLACE, objects=(replace(CAT, x=0.2), replace(BEAR, x=0.8))),
            "a cat to the left of a bear on a beach",
        ),
        (
            replace(
                PLACE,
                objects=(replace(BEAR, shirt="blue", worn=(Worn(name="cap", colour="red"),)),),
                weather="rain",
            ),
            "a bear wearing a blue shirt and a red cap on a beach in the rain",
        ),
        (
            replace(PLACE, style="pencil sketch", objects=(replace(CAT, colour="red"),)),
            "a pencil sketch of a cat on a beach",
        ),
        (PLACE, "a picture of a beach"),
    ],
)
def test_captions_read_well(scene: Scene, said: str) -> None:
    assert caption(scene).removeprefix("a picture of ").removeprefix(
        "an illustration of "
    ) == said.removeprefix("a picture of ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background": "attic"}, "background: 'attic' is not allowed"),
        ({"weather": "snow"}, "does not go with background 'beach'"),
        ({"time_of_day": "night", "weather": "rainbow"}, "cannot be seen at night"),
        ({"style": "cubism"}, "style: 'cubism' is not allowed"),
        ({"seed": -1}, "seed: -1 is not allowed"),
        ({"seed": True}, "seed: True is not allowed"),
        ({"objects": (CAT,) * 4}, "at most 3 objects"),
    ],
)
def test_a_scene_that_cannot_be_drawn_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidScene, match=message):
        replace(PLACE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noun": "unicorn"}, "noun 'unicorn' is not in the vocabulary"),
        ({"depiction": "photograph"}, "depiction 'photograph' is not one of 'cat'"),
        ({"x": float("nan")}, "x: NaN .* from 0 to 1"),
        ({"size": 2.0}, "size: 2.0 is not allowed"),
        ({"colour": "beige"}, "colour: 'beige' is not allowed"),
        ({"material": "cheese"}, "material: 'cheese' is not allowed"),
        ({"material": "gold", "colour": "red"}, "can have no colour"),
        ({"worn": (Worn(name="cap"),)}, "only a character can wear"),
        ({"depiction": "twemoji:head", "worn": (Worn(name="crown", colour="red"),)}, "a crown cannot be red"),
    ],
)
def test_an_object_that_cannot_be_drawn_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidScene, match=message):
        replace(CAT, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"seed":1,"world":"x","background":"beach","objects":[{}]}', "null"]
)
def test_text_that_is_no_scene_is_refused(text: str) -> None:
    with pytest.raises(InvalidScene):
        Scene.from_json(text)


def test_unknown_colours_in_a_world_are_refused() -> None:
    with pytest.raises(InvalidScene, match="colour: 'mauve' is not allowed"):
        replace(WORLD, colours=("mauve",))
    assert set(COLOURS) == set(WORLD.colours)
