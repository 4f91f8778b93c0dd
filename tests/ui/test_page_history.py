"""The history of the page: what was made comes back, as a picture, as words, and as settings."""

import errno
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editors import EditFailed, EditResult, InstructionEdit
from editors.relevance import WHOLE
from editors.requests.recipe import read_recipe
from editors.requests.settings import resolve
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.components.history import LIMIT, MOST_FAVOURITES, History, keep
from ui.components.holding import held_to, keep_held
from ui.components.lineage import lineage
from ui.components.reload import Tokens
from ui.components.strength import Strength
from ui.components.trail import MOST_STEPS, Moment, Trail


def held(entry, only):
    """An entry held to a region, which is known."""
    found = held_to(entry, only)
    assert found is not None
    return found


ASKED = InstructionEdit(original_image=tiny.photo((40, 30)), edit_prompt="x")


def result(seed=3, **changes):
    original = tiny.photo((40, 30))
    edit = InstructionEdit(original_image=original, edit_prompt="make it night", seed=seed, **changes)
    return EditResult(
        edited_image=Image.new("RGB", (40, 30), (seed % 256, 0, 0)),
        original_image=original,
        edit=resolve(edit, NegativeEditor()).edit,
        seed=seed,
        num_unet_rows=1,
        seconds=0.0,
    )


def test_what_is_kept_says_how_it_was_made_and_can_be_asked_for_again(tmp_path):
    entry = keep(result(num_inference_steps=7), tmp_path)
    with Image.open(entry.original) as original, Image.open(entry.edited) as edited:
        assert original.tobytes() == tiny.photo((40, 30)).tobytes()
        assert edited.getpixel((0, 0)) == (3, 0, 0)
    again = InstructionEdit(original_image=entry.original, **entry.settings)
    assert (again.seed, again.num_inference_steps, again.guidance_scale) == (3, 7, 7.5)
    assert read_recipe(entry.edited).settings["seed"] == 3


def test_a_mask_is_kept_with_its_result(tmp_path):
    Image.new("L", (40, 30), 255).save(tmp_path / "mask.png")
    entry = keep(result(mask=str(tmp_path / "mask.png")), tmp_path)
    (tmp_path / "mask.png").unlink()
    assert entry.mask is not None and entry.mask.is_file()


def test_the_oldest_result_goes_with_its_files_when_there_is_no_room(tmp_path):
    history = History().opened(tmp_path)
    assert history.folder is not None
    entries = [keep(result(seed), history.folder) for seed in range(LIMIT + 1)]
    for entry in entries:
        history = history.with_entry(entry)
    assert [entry.settings["seed"] for entry in history.entries] == list(range(LIMIT, 0, -1))
    assert not any(path.exists() for path in entries[0].files)
    assert all(path.exists() for entry in history.entries for path in entry.files)


def test_favourites_stay_however_many_results_come_and_are_not_all_there_is(tmp_path):
    history = History().opened(tmp_path)
    folder = history.folder
    assert folder is not None
    for seed in range(MOST_FAVOURITES + 1):
        history = history.with_entry(keep(result(seed), folder))
    for place in range(MOST_FAVOURITES):
        chosen = history.with_favourite(place)
        assert chosen is not None
        history = chosen
    assert history.with_favourite(MOST_FAVOURITES) is None  # one more than there may be
    favourites = [entry.number for entry in history.entries if entry.is_favourite]
    for seed in range(LIMIT):
        history = history.with_entry(keep(result(100 + seed), folder))
    assert len(history.entries) == LIMIT
    assert [entry.number for entry in history.entries if entry.is_favourite] == favourites
    assert all(path.exists() for entry in history.entries for path in entry.files)
    assert history.entries[-1].label.startswith("★ 2: ")
    assert history.copied(tmp_path).entries[-1].is_favourite
    held = history.with_other(LIMIT - 1, keep(result(7), folder))
    assert held.entries[-1].is_favourite
    undone = history.with_favourite(LIMIT - 1)
    assert undone is not None and not undone.entries[-1].is_favourite


def test_a_result_can_be_held_to_where_its_words_act_as_if_it_had_been_asked_so(tmp_path):
    editor, asked = NegativeEditor(), ASKED
    whole = keep(editor.edit(replace(asked, only=0.0)), tmp_path)
    other = keep_held(whole, held(whole, 0.6), tmp_path)
    wanted = editor.edit(replace(asked, only=0.6))
    assert other.is_held and whole.files.isdisjoint({other.edited, other.thumbnail})
    with Image.open(other.edited) as edited:
        assert edited.tobytes() == wanted.edited_image.tobytes()
    assert read_recipe(other.edited).settings == {**read_recipe(whole.edited).settings, "only": 0.6}
    assert "only 0.6" in other.caption and "only" not in whole.caption
    back = keep_held(other, held(other, 0.0), tmp_path)
    assert back.edited_reference == whole.edited_reference
    assert held_to(keep(result(), tmp_path), 0.5) is None  # made where nobody asked


def test_a_region_of_an_edit_of_the_whole_picture_is_told_when_it_is_held_too(tmp_path):
    entry = keep(NegativeEditor().edit(replace(ASKED, only=0.0)), tmp_path)
    assert held(entry, 0.6).notes == ()
    assert entry.relevance is not None
    np.save(entry.relevance, np.ones((8, 8), np.float32))
    assert held(entry, 0.6).notes == (WHOLE,) and held(entry, 0.0).notes == ()


def test_a_result_in_the_place_of_another_takes_its_number_and_keeps_few_of_its_files(tmp_path):
    history = History().opened(tmp_path)
    assert history.folder is not None
    results = [keep(result(seed), history.folder) for seed in range(20)]
    history = history.with_entry(results[0]).with_entry(results[1])
    for other in results[2:]:
        history = history.with_other(1, other)
    assert [entry.number for entry in history.entries] == [2, 1]
    assert history.entries[1].settings["seed"] == 19
    assert not any(path.exists() for path in results[0].files)
    assert not results[18].original.exists() and results[18].edited.exists()
    assert all(path.exists() for entry in history.entries for path in entry.files)


def test_two_sessions_have_two_folders_and_one_that_ends_leaves_the_other_alone(tmp_path):
    one, other = History().opened(tmp_path), History().opened(tmp_path)
    assert one.folder and other.folder
    left = keep(result(), other.folder)
    keep(result(), one.folder)
    one.discard()
    assert not one.folder.exists()
    assert all(path.exists() for path in left.files)


def test_a_notch_stronger_and_a_notch_weaker_lead_back():
    here = Strength(7.5, 1.5)
    there = here.stronger()
    assert there.guidance_scale > 7.5 and there.image_guidance_scale < 1.5
    back = torch.tensor(there.weaker())
    torch.testing.assert_close(back, torch.tensor(here), atol=0.1, rtol=0)


def test_the_grid_has_the_present_strength_in_its_middle():
    cells = Strength(3.0, 1.5).around()
    assert cells[4] == (3.0, 1.5)
    assert sorted(cells) == cells and len(set(cells)) == 9


def test_a_copy_has_files_of_its_own(tmp_path):
    history = History().opened(tmp_path)
    assert history.folder is not None
    Image.new("L", (40, 30), 255).save(tmp_path / "mask.png")
    history = history.with_entry(keep(result(mask=str(tmp_path / "mask.png")), history.folder))
    copy = history.copied(tmp_path)
    before = [path.read_bytes() for path in sorted(copy.entries[0].files)]
    history.discard()
    assert len(before) == 4
    assert [path.read_bytes() for path in sorted(copy.entries[0].files)] == before
    assert copy.entries[0].settings == history.entries[0].settings


def test_a_token_works_once_and_for_its_account_alone():
    tokens = Tokens()
    token = tokens.give("session", "anna")
    assert tokens.take(token, "bert") is None
    assert tokens.take("guessed", "anna") is None and tokens.take(None, "anna") is None
    assert tokens.take(token, "anna") == "session"
    assert tokens.take(token, "anna") is None


def made_from(entry, folder, colour):
    """Keep a result that was made from another one's file."""
    edit = InstructionEdit(original_image=str(entry.edited), edit_prompt="go on", seed=1)
    with Image.open(entry.edited) as original:
        picture = original.copy()
    made = replace(result(), edited_image=Image.new("RGB", (40, 30), colour), original_image=picture)
    return keep(replace(made, edit=resolve(edit, NegativeEditor()).edit), folder)


def test_each_result_knows_what_it_was_made_from(tmp_path):
    history = History().opened(tmp_path)
    assert history.folder is not None
    history = history.with_entry(keep(result(1), history.folder))
    first = history.entries[0]
    history = history.with_entry(keep(result(2), tmp_path))
    history = history.with_entry(made_from(first, history.folder, "green"))
    history = history.with_entry(made_from(first, history.folder, "blue"))
    history = history.copied(tmp_path)
    assert [(one.number, one.parent) for one in history.entries] == [(4, 1), (3, 1), (2, None), (1, None)]
    assert [history.place(number) for number in (4, 1, 5, None)] == [0, 3, None, None]
    tree = lineage(history, 1)
    assert re.findall(r"\d: [^<]+", tree) == ["1: make it night", "3: go on", "4: go on", "2: make it night"]
    assert tree.count("<ul>") == 3 and '<span aria-current="true">3: go on' in tree
    kept = replace(history, entries=history.entries[:3])
    assert "1, no longer kept" in lineage(kept, None)


def test_words_of_the_tree_are_never_markup(tmp_path):
    history = History().opened(tmp_path)
    assert history.folder is not None
    entry = keep(result(), history.folder)
    entry = replace(entry, settings={**entry.settings, "edit_prompt": "<img src=x onerror=alert(1)>"})
    history = history.with_entry(entry)
    history = history.with_entry(made_from(history.entries[0], tmp_path, "green"))
    assert "<img" not in lineage(history, 0) and "&lt;img" in lineage(history, 0)


STEPS = st.lists(st.sampled_from(("step", "back", "forth")), max_size=60)


@given(STEPS)
def test_redo_after_undo_leads_back_to_where_one_was(steps):
    trail, now, made = Trail(), Moment(form={}, result=0), 0
    for step in steps:
        if step == "step":
            made += 1
            trail, now = trail.stepped(now), Moment(form={}, result=made)
            assert not trail.ahead
            continue
        ways, home = (trail.back, "forth") if step == "back" else (trail.forth, "back"), now
        if (way := ways[0](now)) is None:
            continue
        there, then = way
        back = getattr(there, ways[1])(then)
        assert back == (trail, home)
        trail, now = there, then
    assert len(trail.past) <= MOST_STEPS


def test_what_a_browser_was_shown_is_there_while_the_slider_goes_on(tmp_path):
    whole = keep(NegativeEditor().edit(replace(ASKED, only=0.0)), tmp_path)
    history = History(folder=tmp_path).with_entry(whole)
    history = history.with_entry(keep_held(whole, held(whole, 0.2), tmp_path))
    shown = []
    for number in range(8):
        entry = history.entries[0]
        shown.append((entry.original, entry.edited, entry.thumbnail))
        history = history.with_other(0, keep_held(entry, held(entry, 0.3 + number / 20), tmp_path))
    assert all(path.is_file() for paths in shown for path in paths)
    assert len({original for original, *_ in shown}) == 1  # what does not change is fetched once
    assert whole.original.is_file() and whole.edited.is_file()


def test_all_steps_can_be_taken_back():
    trail, now = Trail(), Moment(form={}, result=0)
    for number in range(1, MOST_STEPS + 5):
        trail, now = trail.stepped(now), Moment(form={}, result=number)
    seen = []
    while (way := trail.back(now)) is not None:
        trail, now = way
        seen.append(now.result)
    assert seen == list(range(MOST_STEPS + 3, 3, -1))


def test_a_result_that_cannot_be_kept_is_one_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    entry = keep(NegativeEditor().edit(replace(ASKED, only=0.0)), tmp_path)
    found = held(entry, 0.6)
    for module in ("history", "holding"):
        monkeypatch.setattr(f"ui.components.{module}.save_small", refuse)
    for write in (lambda: keep(result(), tmp_path), lambda: keep_held(entry, found, tmp_path)):
        with pytest.raises(EditFailed, match=r"cannot be kept \(No space left on device\); make room"):
            write()
    assert entry.relevance is not None
    entry.relevance.unlink()
    with pytest.raises(EditFailed, match="make it again"):
        held_to(entry, 0.5)
