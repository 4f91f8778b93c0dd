"""Looking through pairs: what is shown follows the choice, and a verdict is written where exports read it."""

import json

import numpy as np
import pytest

from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.browse import ORDERS, Catalogue
from dataset_builder.pairs.overlay import read_overlay
from dataset_builder.shards.fill import Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, png_bytes
from ui.components.browse_page import build_browser
from ui.components.pair_words import order_choices
from ui.components.shortcuts import BROWSING

DIRECTIONS = {"a": 0.2, "b": 0.5, "c": 0.1}


def pair(key, direction):
    picture = np.full((8, 8, 3), round(direction * 100), np.uint8)
    words = {
        "original_prompt": f"a cat {key}",
        "edit_prompt": f"make it <b>{key}</b>",
        "edited_prompt": f"a dog {key}",
        "scores": {"direction": direction},
    }
    parts = {
        "original_image.png": png_bytes(picture),
        "edited_image.png": png_bytes(255 - picture),
        "json": json.dumps(words).encode(),
    }
    return Sample(key=key, parts=parts)


@pytest.fixture
def folder(tmp_path):
    samples = [pair(key, direction) for key, direction in DIRECTIONS.items()]
    specs = cut({}, 3, 2, prefix="pairs")
    for _ in fill_folder(
        tmp_path,
        config={},
        specs=specs,
        fill=lambda spec: lambda: samples[spec.start : spec.stop],
        running=Running(executor="serial"),
    ):
        pass
    return tmp_path


def test_pairs_are_sorted_by_a_score_and_chosen_by_verdict(folder):
    catalogue = Catalogue(folder)
    assert catalogue.ordered() == ["a", "b", "c"]
    assert catalogue.ordered(order="direction") == ["c", "a", "b"]
    assert catalogue.ordered(order="direction", descending=True) == ["b", "a", "c"]
    catalogue.decide("a", "reject")
    catalogue.decide("b", "keep")
    assert [catalogue.ordered(shown=shown) for shown in ("open", "keep", "reject")] == [["c"], ["b"], ["a"]]


def test_pictures_are_those_of_the_pair(folder):
    before, after = Catalogue(folder).pictures(["c"])["c"]
    assert (before == 10).all() and (after == 245).all()


def test_a_dataset_without_pairs_is_one_sentence(tmp_path):
    for _ in fill_folder(
        tmp_path,
        config={},
        specs=cut({}, 1, 1, prefix="scenes"),
        fill=lambda spec: lambda: [Sample(key="a", parts={"json": b'{"caption":"a cat"}'})],
        running=Running(executor="serial"),
    ):
        pass
    with pytest.raises(UnreadableDataset, match="holds no pairs"):
        Catalogue(tmp_path)


def press(page, name, keys, place):
    """Call what a button calls."""
    (button,) = [block for block in page.blocks.values() if getattr(block, "elem_id", None) == name]
    (function,) = [one for one in page.fns.values() if (button._id, "click") in one.targets]
    return function.fn(keys, place)


def test_buttons_decide_and_go_on(folder):
    page = build_browser(Catalogue(folder))
    place, status, instruction, before, *_ = press(page, "reject", ["b", "c"], 0)
    assert read_overlay(folder) == {"b": "reject"}
    assert place == 1 and "`c`" in status and instruction == "make it <b>c</b>"
    assert before.shape == (384, 384, 3) and (before == 10).all()
    place, status, *_ = press(page, "previous", ["b", "c"], place)
    assert place == 0 and "reject" in status
    press(page, "take-back", ["b", "c"], 0)
    assert read_overlay(folder) == {}


def test_every_key_presses_a_button_that_is_there(folder):
    page = build_browser(Catalogue(folder))
    names = {f"#{getattr(block, 'elem_id', None)}" for block in page.blocks.values()}
    keys = [key.selector for key in BROWSING if key.selector]
    assert len(keys) == 5 and set(keys) <= names


def test_every_order_has_its_words():
    assert {name for _, name in order_choices()} == set(ORDERS)
