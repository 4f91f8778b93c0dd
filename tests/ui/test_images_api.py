"""OpenAI's endpoints, asked by OpenAI's own client and as other programs ask them."""

import base64
import io
import threading
import time
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from editors import InstructionEdit, PromptToPromptEditor
from editors.requests.recipe import read_recipe
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.images_api import forms
from ui.images_api.fields import Parameters
from ui.images_api.results import MOST, Results


def png(picture):
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


PHOTO = tiny.photo((61, 83))
CONTENT = png(PHOTO)


def drawing(name):
    return PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="base"))


@contextmanager
def serving(editor, **options):
    page = build_app(editor, model="negative", prompt_editor=drawing, prompt_model="artist")
    url = serve(page, host="127.0.0.1", port=None, **options)
    try:
        yield page, url
    finally:
        page.close(verbose=False)


@pytest.fixture(scope="module")
def editor():
    return NegativeEditor()


@pytest.fixture(scope="module")
def served(editor):
    with serving(editor) as served:
        yield served


@pytest.fixture
def url(served):
    return served[1]


@pytest.fixture
def client(url):
    return asking(url)


def asking(url, key="none", **options):
    return openai.OpenAI(base_url=f"{url}v1", api_key=key, max_retries=0, **options)


def opened(data):
    content = base64.b64decode(data.b64_json)
    return content, Image.open(io.BytesIO(content))


def test_an_edit_is_the_pages_with_its_recipe(client, editor, tmp_path):
    answer = client.images.edit(image=("photo.png", CONTENT), prompt="make it night", extra_body={"seed": 5})
    content, picture = opened(answer.data[0])
    edit = InstructionEdit(original_image=PHOTO, edit_prompt="make it night", seed=5)
    assert picture.tobytes() == NegativeEditor().edit(edit).edited_image.tobytes()
    (tmp_path / "edited.png").write_bytes(content)
    recipe = read_recipe(tmp_path / "edited.png")
    assert (recipe.settings["edit_prompt"], recipe.settings["seed"]) == ("make it night", 5)
    assert abs(answer.created - time.time()) < 3600 and answer.data[0].model_extra == {"seed": 5}


def test_our_own_settings_go_along_and_what_has_no_effect_is_told(client, editor):
    settings = {"guidance_scale": 3, "image_guidance_scale": "1.25", "num_inference_steps": 4, "only": 0.5}
    answer = client.images.edit(
        image=CONTENT, prompt="make it night", quality="low", user="me", extra_body=settings
    )
    edit = editor.edits[-1]
    assert (edit.guidance_scale, edit.image_guidance_scale, edit.num_inference_steps, edit.only) == (
        *(3, 1.25, 4, 0.5),
    )
    assert answer.model_extra["notes"] == ["quality: has no effect here.", "user: has no effect here."]


def test_several_pictures_and_numbers_are_edited_in_order(client, editor):
    other = tiny.photo((40, 30), seed=1)
    before = len(editor.edits)
    answer = client.images.edit(
        image=[("a.png", CONTENT), ("b.png", png(other))], prompt="add snow", n=2, extra_body={"seed": 9}
    )
    assert [opened(one)[1].size for one in answer.data] == [(61, 83)] * 2 + [(40, 30)] * 2
    assert [edit.seed for edit in editor.edits[before:]] == [9, 10, 9, 10]


def test_transparent_pixels_of_a_mask_are_where_it_may_change(client, editor):
    mask = Image.new("RGBA", PHOTO.size, (255, 255, 255, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 30, 83))
    client.images.edit(image=CONTENT, mask=png(mask), prompt="add snow")
    painted = np.asarray(editor.edits[-1].mask.image.convert("L"))
    assert (painted[:, :30] == 255).all() and (painted[:, 30:] == 0).all()


def test_a_size_of_its_shape_is_what_comes_out(client):
    answer = client.images.edit(image=CONTENT, prompt="add snow", size="122x166")
    assert opened(answer.data[0])[1].size == (122, 166)


def test_a_result_is_fetched_by_its_address(client, url):
    answer = client.images.edit(image=CONTENT, prompt="add snow", response_format="url")
    address = answer.data[0].url
    assert address.startswith(url) and answer.data[0].b64_json is None
    got = httpx.get(address)
    assert got.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(got.content)).size == PHOTO.size
    assert httpx.get(f"{url}v1/images/results/nothing.png").status_code == 404
    assert httpx.get(f"{url}v1/images/results/../../etc/passwd").status_code in (404, 400)


def test_a_prompt_is_drawn_large_or_at_the_size_that_is_asked_for(client):
    plain = client.images.generate(prompt="a cat", extra_body={"num_inference_steps": 1, "seed": 3})
    assert opened(plain.data[0])[1].size == (512, 512)  # the toy draws 32 × 32
    wide = client.images.generate(
        prompt="a cat", n=2, size="100x50", model="artist", extra_body={"num_inference_steps": 1, "seed": 3}
    )
    assert [opened(one)[1].size for one in wide.data] == [(100, 50)] * 2
    assert [one.model_extra["seed"] for one in wide.data] == [3, 4]


def test_models_are_those_of_the_page(client):
    assert [model.id for model in client.models.list()] == ["negative", "artist"]
    assert client.models.retrieve("artist").owned_by == "wordbrush"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-image-1")


@pytest.mark.parametrize(
    ("asked", "param", "says"),
    [
        ({"prompt": " "}, "prompt", "is missing"),
        ({"prompt": "x" * 2000}, "prompt", "allowed"),
        ({"prompt": "x", "n": 0}, "n", "from 1 to 10"),
        ({"prompt": "x", "n": 11}, "n", "from 1 to 10"),
        ({"prompt": "x", "size": "big"}, "size", "WIDTHxHEIGHT"),
        ({"prompt": "x", "size": "5000x5000"}, "size", "WIDTHxHEIGHT"),
        ({"prompt": "x", "size": "64x64"}, "size", "another shape"),
        ({"prompt": "x", "response_format": "jpg"}, "response_format", "b64_json, url"),
        ({"prompt": "x", "output_format": "webp"}, "output_format", "png"),
        ({"prompt": "x", "background": "transparent"}, "background", "opaque"),
        ({"prompt": "x", "extra_body": {"stream": "true"}}, "stream", "not supported"),
        ({"prompt": "x", "extra_body": {"sead": 1}}, "sead", "no parameter here"),
        ({"prompt": "x", "extra_body": {"seed": -1}}, "seed", "0 to 4294967295"),
        ({"prompt": "x", "extra_body": {"seed": "x"}}, "seed", "0 to 4294967295"),
        ({"prompt": "x", "extra_body": {"only": 2}}, "only", "0 to 1"),
        ({"prompt": "x", "mask": png(PHOTO)}, "mask", "opaque"),
        ({"prompt": "x", "mask": b"no picture"}, "mask", "no picture"),
    ],
)
def test_what_is_wrong_is_told_in_the_form_of_the_api(client, editor, asked, param, says):
    before = len(editor.edits)
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(image=CONTENT, **asked)
    body: Any = caught.value.body
    assert (body["param"], body["type"]) == (param, "invalid_request_error") and says in body["message"]
    assert len(editor.edits) == before


def test_a_model_or_an_address_that_is_not_there_is_not_found(client, url):
    for ask in (
        lambda: client.images.edit(image=CONTENT, prompt="x", model="gpt-image-1"),
        lambda: client.images.generate(prompt="x", model="negative"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.body["code"] == "model_not_found"
    answer = httpx.post(f"{url}v1/chat/completions", json={})
    assert answer.status_code == 404 and "/v1/images/edits" in answer.json()["error"]["message"]


def form(url, *, files=(), data=None, **options):
    return httpx.post(f"{url}v1/images/edits", files=files, data=data, **options)


def test_forms_of_other_programs_are_read(url, editor):
    """As Open WebUI writes them: words as text, pictures as `image`, or `image[]` where they are several."""
    words = {"model": "negative", "prompt": "make it night", "n": "1", "response_format": "b64_json"}
    one = [("image", ("image.png", CONTENT, "image/png"))]
    several = [("image[]", ("image.png", CONTENT, "image/png"))] * 2
    for files, number in ((one, 1), (several, 2)):
        answer = form(url, files=files, data=words, headers={"Authorization": "Bearer none"})
        assert answer.status_code == 200 and len(answer.json()["data"]) == number
    drawn = httpx.post(
        f"{url}v1/images/generations",
        json={"model": "artist", "prompt": "a cat", "n": 1, "size": "64x64", "num_inference_steps": 1},
        timeout=60,
    )
    assert drawn.status_code == 200 and len(drawn.json()["data"]) == 1


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ({"json": {"prompt": "x"}}, 415, "multipart/form-data"),
        ({"data": {"prompt": "x"}}, 415, "multipart/form-data"),
        ({"files": [("mask", CONTENT)], "data": {"prompt": "x"}}, 400, "image: is missing"),
        ({"files": [("image", CONTENT), ("prompt", b"x")], "data": {}}, 400, "prompt: is a file"),
        ({"files": [("image", b"")], "data": {"prompt": "x"}}, 400, "empty"),
        ({"files": [("image", b"<html>")], "data": {"prompt": "x"}}, 400, "web page"),
        ({"files": [("image", CONTENT)], "data": {"prompt": ["x", "y"]}}, 400, "given twice"),
        ({"files": [("image", CONTENT)] * 30, "data": {"prompt": "x"}}, 400, "cannot be read"),
        (
            {"content": b"broken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            400,
            "",
        ),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, 400, "cannot be read"),
    ],
)
def test_a_form_that_is_none_is_refused(url, options, status, says):
    answer = httpx.post(f"{url}v1/images/edits", **options)
    assert answer.status_code == status and says in answer.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_an_object_that_is_none_is_refused(url, content):
    answer = httpx.post(f"{url}v1/images/generations", content=content)
    assert answer.status_code == 400 and "JSON object" in answer.json()["error"]["message"]


def test_what_is_too_large_is_refused(url, monkeypatch):
    monkeypatch.setattr(forms, "MAX_FORM", 1000)
    answer = form(url, files=[("image", CONTENT)], data={"prompt": "x"})
    assert answer.status_code == 413 and answer.json()["error"]["type"] == "invalid_request_error"


def test_other_sites_are_not_answered(url):
    headers = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert form(url, files=[("image", CONTENT)], data={"prompt": "x"}, headers=headers).status_code == 403


def test_where_the_line_is_full_one_is_told_to_come_again(served, client):
    page, _ = served
    queue = page._queue
    most, queue.max_size = queue.max_size, 0
    try:
        with pytest.raises(openai.RateLimitError):
            client.images.edit(image=CONTENT, prompt="x")
    finally:
        queue.max_size = most
    assert client.images.edit(image=CONTENT, prompt="x").data


def test_a_failed_edit_is_the_servers_error(client, editor):
    editor.fails = True
    try:
        with pytest.raises(openai.InternalServerError, match="out of memory"):
            client.images.edit(image=CONTENT, prompt="x")
    finally:
        editor.fails = False


def test_edits_wait_in_one_line_and_end_with_who_asked_for_them():
    editor = NegativeEditor()
    editor.held = True
    with serving(editor) as (_, url):
        with pytest.raises(openai.APITimeoutError):
            asking(url, timeout=3).images.edit(image=CONTENT, prompt="first")
        answers: list[Any] = []
        patient = threading.Thread(
            target=lambda: answers.append(asking(url).images.edit(image=CONTENT, prompt="second"))
        )
        patient.start()
        until(lambda: editor.closed_early == 1)  # nobody waits for the first any more
        editor.held = False
        patient.join(60)
        assert len(answers) == 1 and [edit.edit_prompt for edit in editor.edits] == ["first", "second"]


def until(true):
    for _ in range(1800):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def test_a_password_is_the_bearer_token(caplog):
    with serving(NegativeEditor(), auth=[("ada", "secret"), ("bob", "other:pass")]) as (_, url):
        for key in ("secret", "ada:secret", "other:pass", "bob:other:pass"):
            answer = asking(url, key).images.edit(image=CONTENT, prompt="x", response_format="url")
            assert httpx.get(answer.data[0].url).status_code == 200  # its name is secret
        for key in ("wrong", "ada", "ada:"):
            with pytest.raises(openai.AuthenticationError) as caught:
                asking(url, key).models.list()
            assert caught.value.body["code"] == "invalid_api_key"
        assert httpx.get(f"{url}v1/models").status_code == 401
        assert httpx.get(f"{url}v1/images/results/x.png").status_code == 404
        assert "a wrong password came from 127.0.0.1" in caplog.text
        assert [model.id for model in asking(url, "secret").models.list()] == ["negative", "artist"]


def test_results_go_when_their_hour_is_over_and_the_oldest_first(tmp_path, monkeypatch):
    results = Results(tmp_path)
    names = [results.keep(bytes([number % 256])) for number in range(MOST + 2)]
    assert results.place(names[0]) is None and results.place(names[1]) is None
    place = results.place(names[2])
    assert place is not None and place.read_bytes() == b"\x02"
    assert len(list(tmp_path.iterdir())) == MOST
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 4000)
    assert results.place(names[-1]) is None
    results.keep(b"new")
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_stands_for_left_out():
    asked = Parameters.read({"prompt": "x", "model": "", "n": None, "size": "auto"}, settings=())
    assert (asked.model, asked.n, asked.size, asked.without_effect) == (None, 1, None, ())
