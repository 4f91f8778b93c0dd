"""Who has left is forgotten: what is kept for a reload does not grow with the visitors."""

import secrets
import time

import gradio as gr
import httpx
from gradio.state_holder import StateHolder

from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.components.history import History
from ui.server.sessions import MAX_OVER, forget_over


def test_the_newest_stay_for_a_reload_and_the_open_ones_whatever_their_number(tmp_path):
    with gr.Blocks() as page:
        made = gr.State(History(), delete_callback=History.discard)
    states = StateHolder()
    states.set_blocks(page)
    folders = {}
    for name in "abcdef":
        history = History().opened(tmp_path)
        states[name][made._id] = history
        assert history.folder is not None
        folders[name] = history.folder
    for name in "bcdf":
        states[name].is_closed = True
    forget_over(states, but=2)
    assert set(states.session_data) == set("aedf")
    assert {name for name, folder in folders.items() if folder.exists()} == set("aedf")
    forget_over(states, but=2)
    assert set(states.session_data) == set("aedf")


def test_a_page_that_many_have_left_knows_no_more_of_them_than_of_a_few():
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None)
    try:
        with httpx.Client(base_url=url, timeout=180) as client:
            config = client.get("config").json()
            tick = next(
                one["id"]
                for one in config["dependencies"]
                if any(event == "tick" for _, event in one["targets"])
            )
            for _ in range(MAX_OVER + 3):
                session = secrets.token_hex(6)
                with client.stream("GET", f"gradio_api/heartbeat/{session}") as alive:
                    lines = alive.iter_lines()
                    next(lines)
                    asked = {"data": [], "fn_index": tick, "session_hash": session}
                    client.post("gradio_api/run/predict", json=asked).raise_for_status()
        known = page.app.state_holder.session_data
        for _ in range(600):
            if len(known) == MAX_OVER:
                break
            time.sleep(0.1)
        assert len(known) == MAX_OVER
    finally:
        page.close(verbose=False)
