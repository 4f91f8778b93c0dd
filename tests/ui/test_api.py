"""The endpoint for programs: the request's own names and sentences, and no file but an uploaded one."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import httpx
import pytest
from gradio.queueing import Queue
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from editors.requests.recipe import read_recipe
from tests import tiny
from tests.ui.fakes import NegativeEditor, NegativeOpener
from ui.app import build_app, serve


@pytest.fixture(scope="module")
def editor():
    return NegativeEditor()


@pytest.fixture(scope="module")
def page(editor):
    page = build_app(editor, model="negative")
    yield page
    page.close(verbose=False)


@pytest.fixture(scope="module")
def url(page):
    return serve(page, host="127.0.0.1", port=None)


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    tiny.photo((50, 40)).save(path)
    return path


def test_a_program_edits_by_the_names_of_the_request(client, photo):
    edited_image, recipe = client.predict(
        original_image=handle_file(photo),
        edit_prompt="make it night",
        num_inference_steps=3,
        seed=11,
        api_name="/edit",
    )
    with Image.open(edited_image) as picture:
        assert picture.size == (50, 40)
    assert recipe["edit"]["seed"] == 11 and recipe["edit"]["edit_prompt"] == "make it night"
    assert read_recipe(edited_image).settings["num_inference_steps"] == 3
    assert str(photo.parent) not in json.dumps(recipe)


def test_no_event_is_followed_by_a_summary_of_all_before(page, client, photo, monkeypatch):
    summaries, summed_up = [], Queue._get_df

    def noted(records):
        summaries.append(records)
        return summed_up(records)

    monkeypatch.setattr(Queue, "_get_df", staticmethod(noted))
    client.predict(handle_file(photo), "make it night", api_name="/edit")
    while page._queue.event_ids_to_events:  # the answer comes before the end of its event
        time.sleep(0.01)
    assert summaries == []


def test_an_idle_page_seldom_looks_for_work():
    own, ours = vars(gr.Blocks().queue()._queue), vars(build_app(NegativeEditor(), model="negative")._queue)
    for pause in ("sleep_when_free", "progress_update_sleep_when_free"):
        assert ours[pause] >= 10 * own[pause]


def test_its_edit_is_computed_in_the_thread_of_all_edits(client, editor, photo):
    editor.threads.clear()
    client.predict(handle_file(photo), "make it night", api_name="/edit")
    assert [name.startswith("edits") for name in editor.threads] == [True]


def test_what_is_left_out_is_the_models_own(client, photo):
    _, recipe = client.predict(handle_file(photo), "make it night", api_name="/edit")
    asked = {name: recipe["edit"][name] for name in ("guidance_scale", "num_inference_steps")}
    assert asked == {"guidance_scale": 7.5, "num_inference_steps": 20}


def test_it_is_the_only_endpoint_and_says_what_it_takes(url):
    told = httpx.get(f"{url}gradio_api/info", timeout=180).json()["named_endpoints"]
    assert list(told) == ["/edit"]
    names = {one["parameter_name"]: one["parameter_has_default"] for one in told["/edit"]["parameters"]}
    assert list(names)[:2] == ["original_image", "edit_prompt"]
    assert [name for name, optional in names.items() if not optional] == ["original_image", "edit_prompt"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"edit_prompt": " "}, "edit_prompt: is empty"),
        ({"seed": -1}, "seed: -1 is not allowed"),
        ({"num_inference_steps": 2.5}, "num_inference_steps: 2.5 is not allowed"),
        ({"guidance_scale": "much"}, "guidance_scale: 'much' is not allowed"),
    ],
)
def test_a_mistake_is_the_sentence_that_a_person_gets(client, photo, fields, says):
    with pytest.raises(AppError, match=says):
        client.predict(
            **{"original_image": handle_file(photo), "edit_prompt": "night", "api_name": "/edit", **fields}
        )


def called(url, **fields):
    """Call the endpoint as curl does; return what the server's event says at the end."""
    with httpx.Client(base_url=url, timeout=180) as client:
        begun = client.post("gradio_api/call/v2/edit", json=fields)
        if begun.status_code != 200:
            return begun.text
        return client.get(f"gradio_api/call/v2/edit/{begun.json()['event_id']}").text


@pytest.mark.parametrize(
    "wrap",
    [
        lambda path: {"path": path},
        lambda path: {"path": path, "meta": {"_type": "gradio.FileData"}},
        lambda path: path,
        lambda path: {"url": f"file://{path}"},
        lambda path: {"path": [path]},
    ],
)
def test_no_file_is_read_but_an_uploaded_one(url, photo, wrap):
    there, absent = (
        called(url, original_image=wrap(str(path)), edit_prompt="make it night")
        for path in (photo, photo.with_name("none.png"))
    )
    assert "event: complete" not in there
    assert there == absent  # nor is it told whether it is there


def test_a_picture_and_a_line_of_curl_are_enough(url, photo):
    with photo.open("rb") as file:
        (place,) = httpx.post(f"{url}gradio_api/upload", files={"files": ("p.png", file)}, timeout=180).json()
    given = {"path": place, "meta": {"_type": "gradio.FileData"}}
    said = called(url, original_image=given, edit_prompt="make it night", seed=7)
    assert "event: complete" in said and "wordbrush-7.png" in said


PLACE = {"path": "/somewhere/else.png"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sed": 7}, "sed: is no field of /edit; the fields are original_image, edit_prompt"),
        ({"original_image": None}, "original_image: is missing"),
        ({"original_image": "photo.png"}, "original_image: is no uploaded picture"),
        ({"original_image": PLACE}, "original_image: is no uploaded picture"),
        ({"mask": PLACE}, "mask: is no uploaded picture"),
        ({"edit_prompt": 7}, "edit_prompt: 7 is no text"),
        ({"edit_prompt": ""}, "edit_prompt: is empty"),
        ({"seed": "7"}, "seed: '7' is not allowed"),
        ({"seed": 7.5}, "seed: 7.5 is not allowed"),
        ({"guidance_scale": True}, "guidance_scale: True is not allowed"),
        ({"num_inference_steps": 0}, "num_inference_steps: 0 is not allowed"),
        ({"references": "hat.png"}, "references: 'hat.png' is no list"),
        ({"references": [PLACE]}, "references[0]: is no uploaded picture"),
        ({"references": [{}]}, "references[0]: is no uploaded picture"),
        ({"model": 7}, "model: 7 is no name"),
        ({"model": "another"}, "'another' is no model of this page"),
        ({"data": []}, "data: is no field of /edit"),
    ],
)
def test_a_programs_mistake_is_a_status_and_the_fields_there_are(url, photo, editor, fields, says):
    with photo.open("rb") as file:
        (place,) = httpx.post(f"{url}gradio_api/upload", files={"files": ("p.png", file)}, timeout=180).json()
    asked = {"original_image": {"path": place}, "edit_prompt": "make it night", **fields}
    before = len(editor.edits)
    answer = httpx.post(f"{url}gradio_api/call/v2/edit", json=asked, timeout=180)
    assert answer.status_code == 422
    assert says in answer.json()["detail"] and "num_inference_steps" in answer.json()["detail"]
    assert len(editor.edits) == before


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("call/v2/edit", b"{", 422),
        ("call/v2/edit", b"[1]", 422),
        ("call/v2/edit", b"", 422),
        ("call/v2/edit", b" " * 2_000_000, 413),
        ("call/edit", b'{"data": [1, 2]}', 422),
        ("call/edit", b'{"edit_prompt": "x"}', 422),
        ("call/v2/edits", b"{}", 404),
        ("call/predict", b'{"data": []}', 404),
        ("queue/join", b'{"data": [], "fn_index": 100000, "session_hash": "a"}', 400),
        ("queue/join", b"{", 422),
        ("run/edit", b'{"data": []}', 404),
    ],
)
def test_whatever_a_program_sends_is_no_error_of_the_server(url, path, body, status):
    answer = httpx.post(
        f"{url}gradio_api/{path}", content=body, headers={"content-type": "application/json"}, timeout=180
    )
    assert answer.status_code == status and answer.json()["detail"]


def test_the_older_way_takes_all_fields_in_order(url, photo):
    with photo.open("rb") as file:
        (place,) = httpx.post(f"{url}gradio_api/upload", files={"files": ("p.png", file)}, timeout=180).json()
    data = [{"path": place}, "make it night", None, None, 3, 7, None, None, 0.5, None]
    begun = httpx.post(f"{url}gradio_api/call/edit", json={"data": data}, timeout=180)
    with httpx.stream("GET", f"{url}gradio_api/call/edit/{begun.json()['event_id']}", timeout=180) as stream:
        assert "event: complete" in list(stream.iter_lines())


def test_a_model_that_takes_its_time_holds_up_nobody(photo):
    editor, opener = NegativeEditor(), NegativeOpener()
    opener.go_on.clear()
    page = build_app(editor, model="negative", opener=opener, hub=True)
    try:
        url = serve(page, host="127.0.0.1", port=None)
        with photo.open("rb") as file, ThreadPoolExecutor() as pool:
            answer = httpx.post(f"{url}gradio_api/upload", files={"files": ("p.png", file)}, timeout=180)
            asked = {"original_image": {"path": answer.json()[0]}, "edit_prompt": "make it night"}
            slow = pool.submit(
                httpx.post,
                f"{url}gradio_api/call/v2/edit",
                json={**asked, "model": "some/broken"},
                timeout=180,
            )
            while not opener.opened:
                time.sleep(0.01)
            assert "event: complete" in called(url, **asked) and not slow.done()
            opener.go_on.set()
            assert slow.result().status_code == 422
            assert "lacks its unet" in slow.result().json()["detail"]
    finally:
        opener.go_on.set()
        page.close(verbose=False)


def test_a_program_gives_further_pictures(client, editor, photo, tmp_path):
    editor.reset()
    further = [tmp_path / f"{name}.png" for name in ("hat", "coat")]
    for seed, path in enumerate(further):
        tiny.photo((20, 30), seed=seed).save(path)
    _, recipe = client.predict(
        original_image=handle_file(photo),
        edit_prompt="put the hat of picture 2 on",
        references=[handle_file(path) for path in further],
        seed=1,
        api_name="/edit",
    )
    (asked,) = editor.edits
    for path, given in zip(further, asked.references, strict=True):
        with Image.open(path) as mine, Image.open(given) as theirs:
            assert mine.tobytes() == theirs.tobytes()
    assert recipe["edit"]["references"] == ["hat.png", "coat.png"]
