"""Runs of edits: what must stay on the page is in the last thing that a run says."""

import gradio as gr
import pytest

from editors import EditFailed
from tests.ui.fakes import NegativeEditor
from tests.ui.test_page_history import result
from ui.components.history import History, keep
from ui.components.screen import lay_out_screen
from ui.server.edit_thread import EditThread
from ui.server.models import Models
from ui.tabs.runs import Runs


@pytest.mark.parametrize("fails", [False, True])
def test_the_last_update_repeats_what_must_stay(tmp_path, fails):
    """The browser may see nothing of the one before."""
    with gr.Blocks() as page:
        more = gr.State()
        screen = lay_out_screen(gr.Button(), "", actions=("Use",), name="edit")
    runs = Runs(
        page=page,
        editors=Models("negative", NegativeEditor()),
        edit_thread=EditThread(),
        root=tmp_path,
        screen=screen,
        check=lambda *_: [],
    )

    def run(history):
        for seed in (1, 2):
            history = history.with_entry(keep(result(seed), history.folder))
            yield {**screen.with_new(history), more: seed}
            yield screen.previewing(None)
        if fails:
            raise EditFailed("The device ran out of memory.")
        return "Two results.", result()

    *_, last = runs.guarded(run, History(), None)
    assert last[more] == 2 and last[screen.shown] == 0 and len(last[screen.history].entries) == 2
    assert [one["caption"] for one in last[screen.strip].value] == [
        entry.label for entry in last[screen.history].entries
    ]
    assert last[screen.compare] == (
        last[screen.history].entries[0].original,
        last[screen.history].entries[0].edited,
        last[screen.history].entries[0].caption,
    )
    assert all(last[button].interactive for button in screen.actions)
    assert ("memory" in last[screen.status]) == fails
