"""The Train tab: a run as it goes on, looked at by a person."""

import json

import gradio as gr
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests import tiny
from tests.ui.fakes import NegativeEditor, NegativeOpener
from tests.ui.visit import visiting
from trainer import InstructPix2PixConfig
from trainer.tasks.grids import Sheet, columns_of
from ui.app import build_app
from ui.components.switch import model_choice
from ui.server.edit_thread import EditThread
from ui.server.models import Models
from ui.tabs.edit import edit_tab
from ui.tabs.train import train_tab


class Run:
    """What a run of ours writes, step by step."""

    def __init__(self, folder, steps=100):
        self.folder = folder
        (folder / "samples").mkdir(parents=True)
        config = InstructPix2PixConfig(data=folder, out=folder, steps=steps, base="pocket")
        (folder / "config.json").write_text(json.dumps({"config": config.to_dict()}))

    def log(self, *steps):
        with (self.folder / "log.jsonl").open("a") as file:
            file.writelines(json.dumps({"step": step, "loss": 1 / step}) + "\n" for step in steps)

    def measure(self, step):
        line = {"step": step, "loss on held-out pairs": 0.5, "nearer than doing nothing": step / 100}
        with (self.folder / "validation.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def draw(self, step, columns=("make it <b>red</b>", "add snow")):
        drawn = Sheet(picture=Image.new("RGB", (64, 48), (step, 0, 0)), columns=columns)
        (self.folder / "samples" / f"step-{step:08d}.png").write_bytes(drawn.to_png())


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "runs" / "mine")
    run.log(10, 20)
    run.draw(10)
    run.draw(20)
    return run


@pytest.fixture
def here(run):
    with gr.Blocks() as page, gr.Tabs() as tabs:
        models = Models("negative", NegativeEditor())
        with gr.Tab("Edit"):
            _, switch = edit_tab(page, models, *model_choice(models), EditThread(), run.folder.parent)
        with gr.Tab("Train") as tab:
            return train_tab(run.folder.parent, tab, switch=switch, tabs=tabs)


def test_who_looks_at_the_newest_grid_follows_the_run(here, run):
    shown = here.open("mine")
    assert shown[here.newest] == 20 and "step 20" in shown[here.caption]
    run.draw(30)
    following = here.look_again("mine", None, 20, None, 20)
    assert "step 30" in following[here.caption] and following[here.newest] == 30
    staying = here.look_again("mine", None, 10, None, 20)
    assert here.caption not in staying and staying[here.newest] == 30


def test_what_has_not_changed_is_not_sent_again(here):
    seen = here.open("mine")[here.seen]
    assert here.losses not in here.look_again("mine", None, 20, seen, 20)


def test_held_out_losses_stand_beside_the_others_and_figures_apart(here, run):
    run.measure(20)
    shown = here.open("mine")
    table = shown[here.losses].value["data"]
    assert {row[2] for row in table} == {"training", "on held-out pairs"}
    assert shown[here.figures].visible and not shown[here.figure].visible


@pytest.mark.parametrize("name", ["../mine", "nowhere", "mine/samples"])
def test_what_is_no_run_below_the_folder_is_not_read(here, name):
    shown = here.open(name)
    assert "no longer there" in shown[here.status] and shown[here.settings] is None


def test_instructions_stand_above_the_columns_of_a_grid_that_tells_them(here, run):
    assert "make it &lt;b&gt;red&lt;/b&gt;</span><span>add snow" in here.open("mine")[here.heads]
    run.draw(30, columns=())
    assert here.open("mine")[here.heads] == ""


@pytest.mark.parametrize("text", ["no JSON", "7", '{"a": 1}', "[1, 2]"])
def test_another_programs_words_are_no_columns(tmp_path, text):
    words = PngInfo()
    words.add_text("columns", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png", pnginfo=words)
    with Image.open(tmp_path / "picture.png") as picture:
        assert columns_of(picture) == ()


def test_a_damaged_run_is_one_sentence(here, run):
    (run.folder / "log.jsonl").write_text("no line of ours\n")
    assert "cannot be read" in here.open("mine")[here.status]


def test_settings_tell_of_no_folder(here, run):
    assert str(run.folder) not in json.dumps(here.open("mine")[here.settings])


def test_a_person_watches_a_run(run, browser):
    page = build_app(NegativeEditor(), model="negative", runs=run.folder.parent)
    with visiting(browser, page) as visit:
        visit.tab.get_by_role("tab", name="Train").click()
        visit.says("Step 20 of 100; last heard of")
        visit.says("Drawn at step 20. Rows: original, the model's edit, what it should be.")
        visit.tab.locator(".heads").get_by_text("make it <b>red</b>", exact=True).wait_for()
        wide = visit.tab.evaluate(
            "['.heads', '#train-grid img'].map(one => document.querySelector(one).clientWidth)"
        )
        assert abs(wide[0] - wide[1]) < 4, "each instruction stands above its column"
        visit.tab.locator("svg.marks, canvas.marks").first.wait_for()
        # One target to download the grid, as it is one thing: not a button within a link.
        visit.tab.locator("a.download-link[href] > button[tabindex='-1']").first.wait_for()
        run.log(30)
        run.draw(30)
        visit.says("Step 30 of 100")  # without a click
        visit.says("Drawn at step 30.")
        slider = visit.tab.get_by_role("slider").last
        slider.focus()
        slider.press("Home")
        visit.says("Drawn at step 10.")
        (run.folder / "done.json").write_text("{}")
        visit.says("Finished after 100 steps.")
        assert (visit.complaints, visit.strangers) == ([], [])


def test_a_person_tries_a_run(run, browser, tmp_path):
    opener = NegativeOpener()
    page = build_app(NegativeEditor(), model="mine", opener=opener, runs=run.folder.parent)
    photo = tmp_path / "photo.png"
    tiny.photo((64, 48)).save(photo)
    with visiting(browser, page) as visit:
        visit.upload(photo)
        visit.tab.get_by_role("tab", name="Train").click()
        visit.says("No checkpoint is there yet")
        (run.folder / "done.json").write_text("{}")
        visit.press("Try this model")
        visit.says("run mine edits from now on.")
        visit.tab.get_by_text("as mine does it").click()  # the Edit tab is open, the photo still there
        visit.press("Edit")
        visit.says("Done in")
        visit.says("“as mine does it”: follow 3.5")
        assert opener.opened == [str(run.folder)]
        assert (visit.complaints, visit.strangers) == ([], [])


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "drawn", [[], pytest.param([20], marks=SLOW), [20, 40], pytest.param([30, 45], marks=SLOW)]
)
def test_a_run_with_any_number_of_grids_is_shown_in_a_browser(browser, run, tmp_path, drawn):
    for path in (run.folder / "samples").iterdir():
        path.unlink()
    for step in drawn:
        run.draw(step)
    page = build_app(NegativeEditor(), model="negative", runs=run.folder.parent)
    with visiting(browser, page) as visit:
        visit.tab.get_by_role("tab", name="Train").click()
        visit.says("Step 20 of 100")
        if drawn:
            visit.says(f"Drawn at step {drawn[-1]}.")
        assert visit.complaints == []


@pytest.mark.parametrize("part", ["loss_table", "grouped", "trial_words", "_steps"])
def test_a_fault_in_one_part_is_a_sentence_and_the_others_are_shown(here, run, monkeypatch, part):
    def fail(*_):
        raise ZeroDivisionError("of nothing")

    run.measure(20)
    monkeypatch.setattr(f"ui.tabs.train.{part}", fail)
    shown = here.open("mine")
    assert "cannot be shown (of nothing)" in shown[here.status] and "Step 20" in shown[here.status]
    assert shown[here.newest] == 20 and "step 20" in shown[here.caption]


def test_a_log_of_anything_leaves_a_sentence(here, run):
    for content in ('{"step": 1}\n', "[]\n", '{"step": "x", "loss": {}}\n', "7\n", "no json\n"):
        (run.folder / "log.jsonl").write_text(content)
        assert here.open("mine")[here.status]


def test_after_the_last_step_it_says_that_it_saves(here, run):
    run.log(100)
    assert "saving the model" in here.open("mine")[here.status]
