"""Whoever asks, edits are computed in one thread; what is loaded is loaded in one that ends."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread, current_thread

import gradio as gr
import pytest

from editors import EditFailed, IncompatibleModel, InstructionEdit
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.components.screen import lay_out_screen
from ui.server.edit_thread import EditThread, in_passing
from ui.tabs.runs import Runs


@pytest.fixture
def runs(tmp_path):
    editor = NegativeEditor(seconds_a_step=0.02)

    class Editors:
        def __call__(self, name):
            return editor

        def is_ready(self, name):
            return True

    with gr.Blocks() as page:
        screen = lay_out_screen(gr.Button("Stop"), "Begin", actions=(), name="test")
    return Runs(
        page=page, editors=Editors(), edit_thread=EditThread(), root=tmp_path, screen=screen, check=list
    )


def request():
    return InstructionEdit(original_image=tiny.photo((40, 30)), edit_prompt="night", num_inference_steps=20)


def test_steps_and_previews_are_computed_in_one_thread_whatever_threads_ask_for_them(runs):
    updates = []
    one, other = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    streams = [runs.watched("negative", request()) for _ in range(2)]
    while streams:
        for asking in (one, other):
            for stream in tuple(streams):
                try:
                    updates.append(asking.submit(next, stream).result())
                except StopIteration:
                    streams.remove(stream)
    assert any(runs.screen.compare in update for update in updates)  # previews were among them
    assert [name.startswith("edits") for name in runs.editors("negative").threads] == [True]


def test_what_an_edit_raises_comes_to_who_asked(runs):
    runs.editors("negative").fails = True
    with pytest.raises(EditFailed, match="ran out of memory"):
        list(runs.watched("negative", request()))


def test_a_model_is_loaded_in_a_thread_that_ends():
    loaders: list[Thread] = []

    def load():
        loaders.append(current_thread())
        return "a model"

    assert in_passing(load) == "a model"
    loaders[0].join(60)
    assert loaders[0] is not current_thread() and not loaders[0].is_alive()


def test_what_loading_raises_comes_to_who_asked():
    def load():
        raise IncompatibleModel("It is not a model.")

    with pytest.raises(IncompatibleModel, match="not a model"):
        in_passing(load)
