"""Over raw HTTP, as no browser asks: the page reads what was uploaded to it, no other file of the machine."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import gradio as gr
import httpx
import pytest

from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.server.before_gradio import UPLOADS
from ui.server.uploads import NOT_UPLOADED, uploaded
from ui.server.watch import PREVIEW_SECONDS

TAKES_PICTURES = {"image", "imageeditor"}


@pytest.fixture(scope="module")
def page():
    blocks = build_app(NegativeEditor(), model="negative")
    url = serve(blocks, host="127.0.0.1", port=None)
    with httpx.Client(base_url=f"{url.rstrip('/')}/", timeout=180) as client:
        yield client
    blocks.close(verbose=False)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.png"
    tiny.photo((50, 40)).save(path)
    return path


def picture_events(page):
    """Return the page's events that are handed a picture: (number, api name, the types of their inputs)."""
    config = page.get("config").json()
    types = {component["id"]: component["type"] for component in config["components"]}
    events = [
        (one["id"], one["api_name"], [types[place] for place in one["inputs"]])
        for one in config["dependencies"]
    ]
    return [event for event in events if TAKES_PICTURES & set(event[2])]


def ask(page, number, data):
    """Start an event; return whether it came to its end, and what it said last."""
    asked = {"data": data, "fn_index": number, "session_hash": f"stranger-{number}"}
    begun = page.post("gradio_api/queue/join", json=asked)
    if begun.status_code != 200:
        return False, begun.text
    with page.stream(
        "GET", "gradio_api/queue/data", params={"session_hash": asked["session_hash"]}
    ) as stream:
        (last,) = (line for line in stream.iter_lines() if "process_completed" in line)
    end = json.loads(last.removeprefix("data: "))
    return end["success"], str(end["output"].get("error", end["output"].get("data")))


def values(types, path, **other):
    file = {"path": str(path), **other}
    made = {
        "image": file,
        "imageeditor": {"background": file, "layers": [file], "composite": None, "id": None},
        "slider": 1,
    }
    texts = iter(["make it night", ""])  # the instruction, and no seed
    return [next(texts) if kind == "textbox" else made.get(kind) for kind in types]


@pytest.mark.parametrize("other", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["plain", "as a file"])
def test_no_event_reads_a_picture_that_was_not_uploaded(page, secret, other):
    events = picture_events(page)
    assert {"page_edit", "page_variations", "page_grid", "read"} <= {name for _, name, _ in events}
    for number, name, types in events:
        (done, said), (_, absent) = (
            ask(page, number, values(types, path, **other))
            for path in (secret, secret.with_name("no-such.png"))
        )
        assert not done, name
        if "image" in types and not other:
            assert NOT_UPLOADED in said, name
            assert said == absent, f"{name} tells whether a file is there"


def test_a_link_that_leads_out_of_the_folder_and_the_folder_itself_are_no_uploads(tmp_path, secret):
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "link.png").symlink_to(secret)
    inside = folder / "own.png"
    inside.write_bytes(b"")
    assert uploaded(str(inside), str(folder)) == str(inside)
    for path in (folder / "link.png", folder, folder / ".." / "secret.png", f"{folder}-other/a.png", "a\0b"):
        with pytest.raises(gr.Error, match="not uploaded"):
            uploaded(str(path), str(folder))
    with pytest.raises(gr.Error, match="not uploaded"):
        uploaded(None, str(folder))


def test_the_upload_folder_is_ones_own_and_goes_with_the_page():
    code = "import os; import ui.app; from gradio.utils import get_upload_folder as f; print(f())\n"
    code += "print(oct(os.stat(f()).st_mode))"
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    places = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert places[0][0] != places[1][0]
    assert [mode for _, mode in places] == ["0o40700"] * 2
    assert not any(Path(place).exists() for place, _ in places)


def test_what_was_uploaded_is_edited(page, secret):
    with secret.open("rb") as file:
        (place,) = page.post("gradio_api/upload", files={"files": ("photo.png", file)}).json()
    number, _, types = next(event for event in picture_events(page) if event[1] == "page_edit")
    done, said = ask(page, number, values(types, place, meta={"_type": "gradio.FileData"}))
    assert done and "Done in" in said


def test_an_edit_leaves_its_upload_and_its_result_and_nothing_of_its_previews(tmp_path, monkeypatch):
    photo = tmp_path / "photo.png"
    tiny.photo((72, 56)).save(photo)  # one that no other test has uploaded
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    blocks = build_app(NegativeEditor(seconds_a_step=2 * PREVIEW_SECONDS), model="negative")
    url = serve(blocks, host="127.0.0.1", port=None)
    try:
        before = set(pictures(Path(UPLOADS.name)))
        with httpx.Client(base_url=url, timeout=180) as client, photo.open("rb") as file:
            (place,) = client.post("gradio_api/upload", files={"files": ("photo.png", file)}).json()
            number, _, types = next(event for event in picture_events(client) if event[1] == "page_edit")
            given = values(types, place, meta={"_type": "gradio.FileData"})
            sliders = [index for index, kind in enumerate(types) if kind == "slider"]
            given[sliders[-1]] = 3  # the steps
            done, said = ask(client, number, given)
        assert done and "Done in" in said
        assert set(pictures(Path(UPLOADS.name))) - before == {Path(place)}
        made = [path for folder in tmp_path.glob("wordbrush-*/session-*") for path in pictures(folder)]
        assert sorted(path.name.partition("-")[0] for path in made) == [
            "everywhere.png",
            "original.png",
            "relevance.npy",
            "thumbnail.png",
            "wordbrush",
        ]
    finally:
        blocks.close(verbose=False)


def pictures(folder):
    return [path for path in folder.rglob("*") if path.is_file()]
