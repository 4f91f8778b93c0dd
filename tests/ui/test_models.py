"""Models by name: what is listed can be opened, nothing else can; and one is changed without a stop."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from editors import EditorError, IncompatibleModel, InstructionEdit
from editors.requests.settings import STANDARD
from tests import fake_hub, tiny
from tests.ui.fakes import NegativeEditor, NegativeOpener
from tests.ui.test_train_tab import Run
from tests.ui.visit import PATIENCE, visiting
from ui.app import build_app
from ui.components.literal import literal
from ui.components.switch import Switch
from ui.server.late import LateEditor
from ui.server.models import Models
from ui.server.opener import OneAtATime

ROOT = Path(__file__).parents[2]


PARTS = ("choice", "model", "chips", "words", "lora", "scale", "further")
"""Of a `Switch`: components, and by these names stand-ins for them."""


@pytest.fixture
def opener():
    return NegativeOpener()


@pytest.fixture
def folder(tmp_path):
    """A folder with an edit model, a base, a family, and something else."""
    for name, channels in (("styles/winter", 8), ("base", 4), ("broken", 8)):
        place = tmp_path / "models" / name
        for part, fields in (("unet", {"in_channels": channels}), ("vae", {"latent_channels": 4})):
            (place / part).mkdir(parents=True)
            (place / part / "config.json").write_text(json.dumps(fields))
        (place / "model_index.json").write_text("{}")
    (tmp_path / "models" / "family" / "edit").mkdir(parents=True)
    (tmp_path / "models" / "family" / "pocket.json").write_text("{}")
    (tmp_path / "models" / "notes").mkdir()
    return tmp_path / "models"


def test_models_that_edit_are_listed_and_open_their_folder(folder, opener):
    models = Models("mine", NegativeEditor(), opener, folder=folder)
    assert models.names() == ["mine", "pocket", "broken", "family", "styles/winter"]
    models("styles/winter")
    models("styles/winter")
    assert opener.opened == [str(folder / "styles/winter")]
    assert models.is_ready("styles/winter") and not models.is_ready("family")


@pytest.mark.parametrize(
    "name", ["base", "notes", "../models/family", "/etc", "", "nowhere", "some/hub-id", "styles/../family"]
)
def test_what_is_not_listed_is_not_opened(folder, opener, name):
    models = Models("mine", NegativeEditor(), opener, folder=folder)
    for one in (name, str(folder / "family")):
        with pytest.raises(IncompatibleModel, match="is no model of this page"):
            models(one)
    assert opener.opened == []


def test_a_hub_id_is_opened_only_where_nobody_else_comes_in(folder, opener, monkeypatch):
    monkeypatch.chdir(folder)
    Models("mine", NegativeEditor(), opener, hub=True)("some/hub-id")
    Models("mine", NegativeEditor(), opener, hub=True)("some/hub-id@v1.2")
    assert opener.opened == ["some/hub-id", "some/hub-id@v1.2"]
    for name in ("styles/winter", "../models/x", "/etc/passwd", "a/b/c", "~/x", "a/b@../c", "a/b@"):
        with pytest.raises(IncompatibleModel, match="or a Hub id"):
            Models("mine", NegativeEditor(), opener, hub=True)(name)
    assert len(opener.opened) == 2


@pytest.fixture
def loras(folder):
    """Two LoRAs beside the models, and what is none."""
    for name in ("winter.safetensors", "lines/ink.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_file({"lora_unet_x.lora_down.weight": torch.zeros(1, 1)}, folder / name)
    save_file({"conv_in.weight": torch.zeros(1)}, folder / "part.safetensors")
    (folder / "broken.safetensors").write_bytes(b"\xff" * 100)
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1, 1)}, folder.parent / "outside.safetensors")
    return folder


def test_loras_among_the_models_are_laid_over_any_of_them(loras, opener):
    models = Models("mine", NegativeEditor(), opener, folder=loras)
    assert list(models.loras()) == ["lines/ink", "winter"]
    for name in ("pocket + winter=0.8", "styles/winter + lines/ink + winter=-1", "mine + winter"):
        models(name)
    assert opener.opened == [
        "pocket + winter=0.8",
        f"{loras / 'styles/winter'} + ink=1 + winter=-1",
        "mine + winter=1",
    ]
    assert models.names() == ["mine", "pocket", "broken", "family", "styles/winter"]


@pytest.mark.parametrize(
    "over",
    [
        "part",
        "../outside",
        "broken",
        "nothing",
        "/etc/passwd",
        "winter=11",
        "winter=nan",
        "winter=x",
        "a\0b",
        "",
        "=1",
    ],
)
def test_what_is_no_lora_of_the_folder_is_not_opened(loras, opener, over):
    models = Models("mine", NegativeEditor(), opener, folder=loras)
    with pytest.raises(EditorError):
        models(f"pocket + {over}")
    with pytest.raises(EditorError):
        models(f"nowhere + {over}")
    assert opener.opened == []


def test_a_person_lays_a_lora_over_the_model(loras, opener, browser, tmp_path):
    photo = tmp_path / "photo.png"
    tiny.photo((64, 48)).save(photo)
    page = build_app(NegativeEditor(), model="mine", opener=opener, models=loras)
    with visiting(browser, page) as visit:
        tab = visit.tab
        visit.upload(photo)
        tab.get_by_role("button", name="LoRA").click()
        tab.get_by_label("Laid over the model").click()
        tab.get_by_role("option", name="winter").click()
        visit.says("mine + winter=1 edits from now on.")
        assert tab.get_by_label("Model", exact=True).input_value() == "mine"
        visit.ask("make it night")
        visit.says("Done in")
        tab.get_by_label("Laid over the model").click()
        tab.get_by_role("option", name="none").click()
        visit.says("mine edits from now on.")
        assert opener.opened == ["mine + winter=1"] and visit.complaints == []


def test_runs_are_models_by_their_name_and_step(tmp_path, opener):
    run = Run(tmp_path / "runs" / "lab")
    models = Models("mine", NegativeEditor(), opener, runs=tmp_path / "runs")
    assert models.names() == ["mine", "pocket"]  # nothing to edit with yet
    (run.folder / "checkpoints" / "checkpoint-00000020").mkdir(parents=True)
    assert models.names() == ["mine", "pocket", "run lab, step 20"]
    models("run lab, step 20")
    (run.folder / "done.json").write_text("{}")
    assert models.names() == ["mine", "pocket", "run lab"]
    models("run lab")
    assert opener.opened == [f"{run.folder}@20", str(run.folder)]


def test_a_checkpoint_that_cannot_be_read_is_one_sentence(tmp_path):
    run = Run(tmp_path / "runs" / "lab")
    (run.folder / "checkpoints" / "checkpoint-00000020").mkdir(parents=True)
    with pytest.raises(IncompatibleModel, match="gone or damaged"):
        Models("mine", NegativeEditor(), OneAtATime(), runs=tmp_path / "runs")("run lab, step 20")


def test_a_late_editor_is_loaded_once_and_edits_like_its_own():
    opener = NegativeOpener()
    late = LateEditor(
        open=lambda: opener.model("pocket"), recommended=STANDARD["edit"], instructions=("make it night",)
    )
    assert not late.is_ready and not opener.opened
    edit = InstructionEdit(original_image=tiny.photo((64, 48)), edit_prompt="make it night")
    edited = late.edit(edit).edited_image
    assert edited == NegativeEditor().edit(edit).edited_image and late.is_ready
    stream = late.stream(edit)
    next(stream)
    stream.close()
    assert late.load().closed_early == 1 and opener.opened == ["pocket"]


def test_a_late_editor_that_could_not_be_loaded_tries_again():
    answers = [IncompatibleModel("not yet"), NegativeEditor()]

    def load():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    late = LateEditor(open=load, recommended=STANDARD["edit"], instructions=())
    with pytest.raises(IncompatibleModel, match="not yet"):
        late.load()
    assert not late.is_ready and isinstance(late.load(), NegativeEditor)


def test_a_choice_that_the_browser_tells_twice_is_answered_the_same_twice(folder, opener):
    form: Any = SimpleNamespace(filled=dict, references="references")
    models = Models("mine", NegativeEditor(), opener, folder=folder)
    parts: Any = dict(zip(PARTS, PARTS, strict=True))
    switch = Switch(models=models, form=form, strengths=(), **parts)
    *_, first = switch.change("styles/winter", "mine")
    *_, second = switch.change("styles/winter", first["model"])
    assert (second["words"], len(opener.opened)) == (first["words"], 1)


def test_what_a_model_needs_is_said_while_it_is_loaded(folder, opener):
    (folder / "styles/winter").rename(folder / "licensed")
    models = Models("mine", NegativeEditor(), opener, folder=folder, hub=True)
    assert models.needs("licensed") == "Licence of licensed."
    assert models.needs("someone/licensed@new") == "Licence of licensed@new."
    assert [models.needs(name) for name in ("mine", "broken", "no-model", "pocket")] == [""] * 4
    form: Any = SimpleNamespace(filled=dict, references="references")
    parts: Any = dict(zip(PARTS, PARTS, strict=True))
    switch = Switch(models=models, form=form, strengths=(), **parts)
    said = [update["words"] for update in switch.change("licensed", "mine")]
    assert said == [
        "Loading licensed ...",
        f"Loading licensed ... {literal('Licence of licensed.')}",
        "licensed edits from now on.",
    ]
    assert models.needs("licensed") == ""


def test_a_model_of_the_hub_that_cannot_be_used_is_a_sentence_on_the_page(folder, monkeypatch, tmp_path):
    with fake_hub.serving(monkeypatch, tmp_path / "cache") as hub:
        hub.folders["someone/gated"] = folder / "base"
        hub.gated.add("someone/gated")
        form: Any = SimpleNamespace(filled=dict, references="references")
        models = Models("mine", NegativeEditor(), OneAtATime(), folder=folder, hub=True)
        parts: Any = dict(zip(PARTS, PARTS, strict=True))
        switch = Switch(models=models, form=form, strengths=(), **parts)
        *_, told = switch.change("someone/gated", "mine")
    assert "is gated" in told["words"] and "mine stays" in told["words"]


def test_a_person_changes_the_model_and_edits_meanwhile(folder, opener, browser, tmp_path):
    first = NegativeEditor()
    page = build_app(first, model="mine", opener=opener, models=folder)
    photo = tmp_path / "photo.png"
    tiny.photo((64, 48)).save(photo)
    with visiting(browser, page) as visit:
        tab = visit.tab
        visit.upload(photo)

        def choose(name):
            tab.get_by_label("Model", exact=True).click()
            tab.get_by_role("option", name=name).click()

        opener.go_on.clear()
        choose("styles/winter")
        visit.says("Loading styles/winter ...")
        visit.ask("make it night")  # the page does not wait for it
        visit.says("Done in")
        assert len(first.edits) == 1
        opener.go_on.set()
        visit.says("styles/winter edits from now on.")
        assert tab.get_by_label("How strongly to follow the instruction").first.input_value() == "3.5"
        tab.get_by_text("as winter does it").click()
        visit.press("Edit")
        visit.says("“as winter does it”: follow 3.5")
        assert len(first.edits) == 1
        choose("broken")
        visit.says("styles/winter stays. ")
        visit.says("lacks its unet")
        assert tab.get_by_label("Model", exact=True).input_value() == "styles/winter"
        tab.reload()
        visit.says("Here is where you were.")
        visit.settles()
        visit.complaints.clear()  # of the page that was left, whose connections were cut
        visit.until(lambda: tab.get_by_label("Model", exact=True).input_value() == "styles/winter")
        tab.get_by_text("as winter does it").first.wait_for()
        visit.press("Edit")
        visit.says("Done in")
        assert len(first.edits) == 1
        assert (visit.complaints, visit.strangers) == ([], [])


def test_who_is_faster_than_the_model_is_told_that_it_is_loaded(browser, opener, tmp_path):
    opener.go_on.clear()
    late = LateEditor(open=lambda: opener.model("pocket"), recommended=STANDARD["edit"], instructions=())
    photo = tmp_path / "photo.png"
    tiny.photo((64, 48)).save(photo)
    with visiting(browser, build_app(late, model="pocket")) as visit:
        visit.upload(photo)
        visit.ask("make it night")
        visit.says("Loading pocket ...", timeout=PATIENCE)
        opener.go_on.set()
        visit.says("Done in")
        assert (visit.complaints, visit.strangers) == ([], [])


def test_models_that_are_asked_for_at_once_are_loaded_one_after_the_other():
    script = """
from concurrent.futures import ThreadPoolExecutor
from ui.server.opener import OneAtATime
opener = OneAtATime()
with ThreadPoolExecutor(2) as pool:
    edits, draws = pool.submit(opener.model, "pocket"), pool.submit(opener.drawing, "pocket")
print(edits.result().instructions[0], draws.result().recommended.num_inference_steps)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
