"""The Data tab: every pair with its outcome, nothing above the folder, and nothing written."""

import gradio as gr
import pytest

from dataset_builder.errors import DatasetError
from dataset_builder.render.filters import KEPT
from dataset_builder.shards.tars import read_columns
from evaluation.job_pairs import ALL, datasets_below, read_job_pairs
from evaluation.stats import decisions
from tests.ui.fakes import NegativeEditor
from tests.ui.visit import visiting
from ui.app import build_app
from ui.commands.page import folder_of
from ui.errors import UnusablePlace
from ui.tabs.data import PAGE, data_tab


@pytest.fixture
def job(filtered_job):
    return filtered_job


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_rendered_pair_has_the_outcome_that_was_decided(job):
    found = read_job_pairs(job)
    decided = {line["key"]: line["outcome"] for line in decisions(job / "pairs")}
    assert found.outcomes == decided and set(found.catalogue.entries) == set(decided)
    assert found.counts[ALL] == len(decided) == sum(found.counts.values()) - found.counts[ALL]
    for outcome, number in found.counts.items():
        keys = found.ordered(order="direction", descending=True, outcome=outcome)
        assert len(keys) == number and (outcome == ALL or {found.outcomes[key] for key in keys} == {outcome})
        scores = [found.catalogue.entries[key].rank("direction") for key in keys]
        assert scores == sorted(scores, reverse=True)
    assert found.stats is not None and found.counts[KEPT] == found.stats.funnel["kept"]


def test_chosen_samples_are_those_of_the_whole_walk(job):
    path = next((job / "rendered").glob("*.tar"))
    everything = {sample["__key__"]: sample for sample in read_columns(path)}
    wanted = list(everything)[1::2]
    some = {sample["__key__"]: sample for sample in read_columns(path, keys=wanted)}
    assert list(some) == wanted
    assert all(str(some[key]) == str(everything[key]) for key in wanted)


def test_datasets_are_found_below_and_nothing_above_is_opened(job):
    assert datasets_below(job)[0] == "pairs" and set(datasets_below(job)) == {"pairs", "rendered"}
    assert datasets_below(job / "pairs") == ["."]
    with gr.Blocks(), gr.Tabs(), gr.Tab("Data") as tab:
        here = data_tab(job / "rendered", tab)
    for name in ("../pairs", str(job / "pairs"), "", None, "nowhere"):
        shown = here.open(name, "as written", False)
        assert shown[here.pairs] == [] and "no longer there" in shown[here.status]
        assert here.arrange(name, "as written", False, ALL, "")[here.pairs] == []
        assert here.turn(1, name, ["a"], 0)[here.pairs] == []


def test_pairs_are_found_by_their_words_in_any_case(job):
    found = read_job_pairs(job)
    facts = {key: entry.facts for key, entry in found.catalogue.entries.items()}
    word = str(next(iter(facts.values()))["edit_prompt"]).split()[-1]
    keys = found.ordered(search=f" {word.upper()} ")
    said = {key: " ".join(map(str, one.values())).casefold() for key, one in facts.items()}
    assert keys and all(word.casefold() in said[key] for key in keys)
    assert found.ordered(search="nobody says this") == []
    assert found.ordered(search=" ") == found.ordered()


@pytest.mark.parametrize("wanted", ["0", "-1", "2000", "x", "", "1.5", "²"])
def test_a_page_that_is_none_is_a_sentence_and_the_page_stays(job, wanted):
    with gr.Blocks(), gr.Tabs(), gr.Tab("Data") as tab:
        here = data_tab(job, tab)
    keys = here.open("rendered", "as written", False)[here.keys]
    shown = here.jump("rendered", keys, 0, wanted)
    assert "give a number from 1 to" in shown[here.status] and shown[here.page_number] == "1"
    assert here.jump("rendered", keys, 0, " 1 ")[here.place] == 0


def test_a_folder_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(UnusablePlace, match=r"--data: '.*' is no folder"):
        folder_of("--data", tmp_path / "nowhere")
    with pytest.raises(DatasetError):
        read_job_pairs(tmp_path)


def test_a_person_looks_through_a_job(job, browser):
    before = content(job)
    found = read_job_pairs(job)
    page = build_app(NegativeEditor(), model="negative", data=job)
    with visiting(browser, page) as visit:
        tab = visit.tab
        tab.get_by_role("tab", name="Data").click()
        visit.says(f"1 to {min(PAGE, found.counts[ALL])} of {found.counts[ALL]} pairs")
        tab.get_by_role("img", name=f"kept {found.counts[KEPT]}").wait_for()
        tab.get_by_label("Show", exact=True).click()
        tab.get_by_role("option", name=f"it did not change as told: {found.counts['direction']}").click()
        visit.says(f"of {found.counts['direction']} pairs")
        tab.locator("#data-pairs button").first.click()
        visit.says("left out: it did not change as told")
        tab.get_by_label("Sort by", exact=True).click()
        tab.get_by_role("option", name="How much it changed as told").click()
        tab.get_by_label("Sort by", exact=True).click()
        tab.get_by_role("option", name="As they were written").click()
        key = found.ordered(outcome="direction")[0]
        visit.says(f"{found.catalogue.entries[key].facts['scores']['direction']:.3f} ✗")
        assert len(visit.compared()) == 2
        tab.get_by_label("Dataset", exact=True).click()
        tab.get_by_role("option", name="rendered").click()
        tab.locator(".compare").last.wait_for(state="hidden")  # it was a pair of the other one
        assert (visit.complaints, visit.strangers) == ([], [])
    assert content(job) == before
