"""Whole folders: what is found, what is done, what fails, and what a cut run leaves to the next."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editors import EditFailed
from editors.requests.recipe import read_recipe
from tests import tiny
from ui.batch.ledger import LEDGER, Ledger, Wanted
from ui.batch.sources import find
from ui.cli import main

NIGHT, SNOW = "make it night", "add snow"


@pytest.fixture
def photos(here):
    """Three pictures, one of them in a folder below, beside what is none."""
    for number, name in enumerate(("one.png", "two.jpg", "below/one.png")):
        place = here / "photos" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        tiny.photo((40, 48), seed=number).save(place)
    (here / "photos" / "notes.txt").write_text("no picture")
    (here / "photos" / ".hidden.png").write_text("no picture")
    return here / "photos"


@pytest.fixture
def edit(models):
    def run(*arguments, steps=1):
        options = ["--model", str(models["edit"]), "--num-inference-steps", str(steps)]
        return main(["edit", *map(str, arguments), *options])

    return run


def pictures(folder):
    """The pixels of all results, by name."""
    return {
        path.relative_to(folder).as_posix(): np.asarray(Image.open(path)).tobytes()
        for path in folder.rglob("*.png")
    }


ALL = {
    f"{name}-{words}.png" for name in ("one", "two", "below/one") for words in ("make-it-night", "add-snow")
}


def test_every_picture_of_a_folder_is_edited_by_every_instruction(photos, edit, here, capsys):
    assert edit("photos", NIGHT, "--instruction", SNOW, "--out", "out", "--seed", 7) == 0
    shown = capsys.readouterr()
    assert set(pictures(here / "out")) == ALL
    assert {Path(line).relative_to("out").as_posix() for line in shown.out.split()} == ALL
    assert "6 edits of 3 pictures: 6 made" in shown.err
    one = here / "out" / "two-add-snow.png"
    assert read_recipe(one).settings["edit_prompt"] == SNOW and read_recipe(one).settings["seed"] == 7
    assert edit("photos/two.jpg", SNOW, "--out", "alone.png", "--seed", 7) == 0
    difference = np.asarray(Image.open(one)).astype(int) - np.asarray(Image.open("alone.png"))
    assert np.abs(difference).max() <= 1  # that of the single command


def test_what_is_done_is_not_done_again_and_loads_no_model(photos, edit, here, monkeypatch, capsys):
    assert edit("photos", NIGHT, "--out", "out") == 0
    before = {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*")}
    monkeypatch.setattr("editors.InstructPix2PixEditor.from_pretrained", None)
    capsys.readouterr()
    assert edit("photos", NIGHT, "--out", "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["done_before"], told["made"], told["failed"]) == (3, [], {})
    assert before == {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*")}


def test_a_new_picture_and_a_changed_one_are_done_and_nothing_else(photos, edit, here, capsys):
    assert edit("photos", NIGHT, "--out", "out") == 0
    before = pictures(here / "out")
    tiny.photo((48, 40), seed=9).save(photos / "two.jpg")
    tiny.photo((40, 40), seed=10).save(photos / "three.png")
    capsys.readouterr()
    assert edit("photos", NIGHT, "--out", "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    made = {Path(one["edited_image"]).name for one in told["made"]}
    assert made == {"two-make-it-night.png", "three-make-it-night.png"} and told["done_before"] == 2
    after = pictures(here / "out")
    assert set(after) == {*before, "three-make-it-night.png"}
    assert {name for name in before if before[name] != after[name]} == {"two-make-it-night.png"}


@pytest.mark.parametrize("where", ["ui.batch.carry_out.save_png", "ui.batch.ledger.append_line"])
@pytest.mark.parametrize("after", [0, 2, 5])
def test_a_run_that_was_cut_goes_on_to_the_same_pictures(photos, edit, here, monkeypatch, where, after):
    asked = ("photos", NIGHT, "--instruction", SNOW, "--seed", "5", "--batch-size", "2")
    assert edit(*asked, "--out", "whole") == 0
    module, _, name = where.rpartition(".")
    function = getattr(__import__(module, fromlist=[name]), name)
    calls = []

    def cut(*arguments, **options):
        calls.append(arguments)
        if len(calls) > after:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(where, cut)
        assert edit(*asked, "--out", "cut") == 130
    assert set(pictures(here / "cut")) < ALL
    assert edit(*asked, "--out", "cut") == 0
    assert pictures(here / "cut") == pictures(here / "whole")
    assert len((here / "cut" / LEDGER).read_text().splitlines()) == 7


def test_what_fails_is_counted_by_its_reason_and_stops_nothing(photos, edit, here, capsys):
    for name in ("page.png", "other.png"):
        (photos / name).write_text("<html>")
    tiny.photo((8, 9)).save(photos / "small.png")
    assert edit("photos", NIGHT, "--out", "out", "--json") == 1
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["failed"] == {
        "is a web page": ["other.png", "page.png"],
        "is of another size, allowed are sides from 16": ["small.png"],
    }
    assert len(told["made"]) == 3 and shown.err.startswith("wordbrush: 3 of 6 edits failed")
    assert edit("photos", NIGHT, "--out", "out") == 1
    assert "6 edits of 6 pictures: 0 made" in (said := capsys.readouterr().err)
    assert "3 done before, 3 failed" in said and "failed, 2: is a web page (other.png, page.png)" in said


def test_a_full_disk_ends_the_run_with_a_sentence_and_keeps_what_was_made(
    photos, edit, here, monkeypatch, capsys
):
    from ui.batch import carry_out

    save, calls = carry_out.save_png, []

    def full(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise EditFailed("two.png: cannot be written (No space left on device); choose another place.")
        return save(*arguments, **options)

    monkeypatch.setattr("ui.batch.carry_out.save_png", full)
    assert edit("photos", NIGHT, "--out", "out") == 1
    shown = capsys.readouterr().err
    assert "3 edits of 3 pictures: 1 made" in shown and "2 not begun" in shown
    assert shown.splitlines()[-1].startswith("wordbrush: two.png: cannot be written (No space left")
    assert len(pictures(here / "out")) == 1


def test_instructions_come_from_arguments_options_and_files_each_once(photos, edit, here):
    (here / "words.txt").write_text(f"# what to try\n\n{SNOW}\n  {NIGHT}  \n", encoding="utf-8-sig")
    assert edit("photos/one.png", NIGHT, "--instructions", "words.txt", "--out", "a") == 0
    assert edit("photos/one.png", "--instructions", "words.txt", "--out", "b") == 0
    names = {"one-make-it-night.png", "one-add-snow.png"}
    assert set(pictures(here / "a")) == set(pictures(here / "b")) == names


def test_patterns_files_and_folders_are_taken_once_each(photos, here):
    found = find(["photos/*.png", "photos/one.png", "photos", "photos/**/*.png"])
    assert [one.path.as_posix() for one in found.pictures] == [
        "photos/one.png",
        "photos/two.jpg",
        "photos/below/one.png",
    ]
    (here / "photos" / "[1].png").write_bytes((photos / "one.png").read_bytes())
    assert [one.path.name for one in find(["photos/[1].png"]).pictures] == ["[1].png"]


def test_results_among_the_pictures_are_not_edited_again(photos, edit, here, capsys):
    assert (
        edit(*sorted(photos.glob("[!.]*.*g")), NIGHT, "--out", "photos") == 0
    )  # as a shell writes photos/*.png
    results = set(photos.glob("*-make-it-night.png"))
    assert len(results) == 2
    capsys.readouterr()
    assert edit(*sorted(photos.glob("[!.]*.*g")), NIGHT, "--out", "photos") == 0
    assert "2 more are results of this folder: 0 made" in capsys.readouterr().err
    assert set(photos.glob("*night.png")) == results


def test_a_name_that_is_taken_is_left_alone(photos, edit, here):
    (here / "out").mkdir()
    (here / "out" / "one-make-it-night.png").write_text("mine")
    assert edit("photos/one.png", "photos/below/one.png", NIGHT, "--out", "out") == 0
    names = {path.name for path in (here / "out").glob("*.png")}
    assert names == {f"one-make-it-night{mark}.png" for mark in ("", "-2", "-3")}
    assert (here / "out" / "one-make-it-night.png").read_text() == "mine"


def test_claims_know_capitals_and_what_is_written_beside(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin({})
    marks = ("", "-original")
    names = ["A.png", "a.png", "a-original.png"]
    claimed = [
        ledger.claim(Wanted(of={"number": place}, state={}, name=Path(name), marks=marks)).name
        for place, name in enumerate(names)
    ]
    assert claimed == ["A.png", "a-2.png", "a-original-2.png"]
    again = Ledger(tmp_path)
    assert again.claim(Wanted(of={"number": 1}, state={}, name=Path("x.png"))).name == "a-2.png"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["photos", NIGHT], "--out: several results go into a folder"),
        (["photos", NIGHT, "--out", "one.png"], "--out: 'one.png' is one file"),
        (["photos", NIGHT, "--out", "photos"], "would be edited again"),
        (["photos", NIGHT, "--out", "photos/below/deeper"], "would be edited again"),
        (["photos/*.png", NIGHT, "--out", "photos"], "would be edited again"),
        (["photos/**/*.png", NIGHT, "--out", "photos/below/deeper"], "would be edited again"),
        (["empty", NIGHT, "--out", "out"], "'empty' holds no picture"),
        (["photos/*.gif", NIGHT, "--out", "out"], "nothing matches 'photos/*.gif'"),
        (["photos/one.png", "photos/none.png", NIGHT, "--out", "out"], "no file or folder 'photos/none.png'"),
        (["photos", "photos/none.png", "--instruction", NIGHT, "--out", "out"], "'photos/none.png'"),
        (["photos", " ", "--out", "out"], "edit_prompt"),
        (["photos", NIGHT, "--instruction", " ", "--out", "out"], "edit_prompt"),
        (["photos", "--instructions", "nowhere.txt", "--out", "out"], "--instructions: 'nowhere.txt'"),
        (["photos", "--instructions", "photos/notes.bin", "--out", "out"], "no text in UTF-8"),
        (["photos", "--instructions", "nothing.txt", "--out", "out"], "says nothing"),
        (["photos", NIGHT, "--out", "out", "--batch-size", "0"], "batch_size"),
        (["photos", NIGHT, "--out", "out", "--scheduler", "magic"], "scheduler"),
        (["photos", NIGHT, "--out", "out", "--guidance-scale", "-1"], "guidance_scale"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_no_picture(photos, edit, here, capsys, arguments, says):
    (here / "empty").mkdir()
    (here / "nothing.txt").write_text("\n# nothing\n")
    (photos / "notes.bin").write_bytes(b"\xff\xfe\xff\x00\xd8")
    before = sorted(here.rglob("*.png"))
    assert edit(*arguments) == 1
    shown = capsys.readouterr()
    line = shown.err.splitlines()[-1]
    assert line.startswith("wordbrush: ") and says in line and shown.out == ""
    assert sorted(here.rglob("*.png")) == before


def test_a_folder_begun_otherwise_is_refused_by_name(photos, edit, here, capsys):
    assert edit("photos", NIGHT, "--out", "out", "--seed", "3") == 0
    before = pictures(here / "out")
    for options in (("--seed", "4"), ("--guidance-scale", "2"), ("--only", "0.5")):
        assert edit("photos", SNOW, "--out", "out", *options) == 1
        assert f"begun with {options[0][2:].replace('-', '_')}" in capsys.readouterr().err
    assert edit("photos", SNOW, "--out", "out") == 0  # the seed is the folder's
    assert read_recipe(here / "out" / "one-add-snow.png").settings["seed"] == 3
    assert before.items() <= pictures(here / "out").items()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_picture_that_is_linked_twice_is_edited_once(photos, edit, here, capsys):
    (photos / "link.png").symlink_to(photos / "one.png")
    (photos / "ring").symlink_to(photos)
    assert edit("photos", NIGHT, "--out", "out") == 0
    assert "3 edits of 3 pictures" in capsys.readouterr().err


PROMPTS = [
    {"original_prompt": "a cat in the snow", "edited_prompt": "a dog in the snow", "seed": 4},
    {"input": "a red car", "edit": "make it blue", "output": "a blue car", "id": "x"},
    {"original_prompt": "a cup", "edited_prompt": "a dog in the snow", "original_image": "photos/one.png"},
]


@pytest.fixture
def prompt_edit(models, here):
    def run(lines, *arguments):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (here / "prompts.jsonl").write_text(text)
        options = ["--model", str(models["base"]), "--num-inference-steps", "1", "--out", "out"]
        return main(["prompt-edit", "--prompts", "prompts.jsonl", *options, *arguments])

    return run


def test_prompts_of_a_file_are_drawn_each_once(photos, prompt_edit, here, capsys):
    assert prompt_edit(PROMPTS) == 0, capsys.readouterr().err
    names = {"a-dog-in-the-snow.png", "a-blue-car.png", "a-dog-in-the-snow-2.png"}
    drawn = {"a-dog-in-the-snow-original.png", "a-blue-car-original.png"}
    assert set(before := pictures(here / "out")) == names | drawn
    recipe = read_recipe(here / "out" / "a-dog-in-the-snow.png").settings
    assert (recipe["original_prompt"], recipe["seed"]) == ("a cat in the snow", 4)
    more = {"original_prompt": "a tree", "edited_prompt": "a house"}
    capsys.readouterr()
    assert prompt_edit([more, *PROMPTS, more]) == 0
    assert "4 edits of 5 lines: 1 made" in capsys.readouterr().err
    after = pictures(here / "out")
    assert before.items() <= after.items() and set(after) - set(before) == {
        "a-house.png",
        "a-house-original.png",
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no JSON", "line 1 of 'prompts.jsonl' is no JSON object"),
        ("[1]", "is no JSON object"),
        ({"original_prompt": "a cat"}, "edited_prompt: is missing"),
        ({"original_prompt": "a cat", "edited_prompt": "a dog", "seed": -1}, "line 1 .*seed"),
        ({"original_prompt": "a cat", "edited_prompt": "a dog", "sead": 1}, "sead: is no field"),
        ({"original_prompt": "a cat", "edited_prompt": 3}, "edited_prompt"),
    ],
)
def test_a_line_that_is_no_edit_is_named(prompt_edit, here, capsys, line, says):
    import re

    assert prompt_edit([line]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert re.search(says, said), said
    assert not (here / "out").exists()


@pytest.mark.parametrize("arguments", [["a cat", "a dog"], ["--attention", "a.png"]])
def test_prompts_stand_in_one_place(prompt_edit, here, capsys, arguments):
    assert prompt_edit(PROMPTS[:1], *arguments) == 1
    assert "--prompts" in capsys.readouterr().err and not (here / "out").exists()
