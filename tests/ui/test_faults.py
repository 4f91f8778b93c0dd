"""What a page can be handed wrong: one sentence at the field it belongs to, no traceback, and it goes on."""

import json

import httpx
import pytest

from tests import tiny
from tests.editors.test_images import BAD_FILES
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.components.form import LABELS, PROMPT_LABELS
from ui.server.loaded_by_name import LoadedByName

FIELDS = {"page_edit": tuple(LABELS), "page_draw": tuple(PROMPT_LABELS)}
EDITS = {
    "edit_prompt": "make it night",
    "guidance_scale": 2,
    "image_guidance_scale": 1,
    "num_inference_steps": 3,
    "seed": "",
}
DRAWS = {
    "original_prompt": "a cat",
    "edited_prompt": "a dog",
    "guidance_scale": 2,
    "num_inference_steps": 3,
    "seed": "",
}
WORDS = (None, "", " \t", "x" * 10_001, "make it\0night", "\x1b[31mnight")
SCALES: tuple[object, ...] = ("much", [2], {}, True, -1, -1e300, 1e300, "2")
STEPS = (0, -1, 1e9, 2.5, "many", [3], True)
SEEDS = ("-1", "1.5", "seven", str(2**64), "1e9", "0x10", [7], {"a": 7}, "٣")


@pytest.fixture(scope="module")
def editor():
    return NegativeEditor()


@pytest.fixture(scope="module")
def page(editor):
    def none(_):
        raise AssertionError("no request that is refused asks for a model")

    blocks = build_app(editor, model="negative", prompt_editor=LoadedByName(none))
    url = serve(blocks, host="127.0.0.1", port=None)
    with httpx.Client(base_url=f"{url.rstrip('/')}/", timeout=180) as client:
        yield client
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def listener(page):
    """Return what finds a listener: its number, and what its inputs stand at when a visitor comes."""
    config = page.get("config").json()
    parts = {one["id"]: one["props"].get("value") for one in config["components"]}

    def find(name):
        (one,) = (one for one in config["dependencies"] if one["api_name"] == name)
        return one["id"], [parts[place] for place in one["inputs"]]

    return find


def uploaded(page, content, name="photo.png"):
    (place,) = page.post("gradio_api/upload", files={"files": (name, content)}).json()
    return {"path": place, "meta": {"_type": "gradio.FileData"}}


def ask(page, listener, name, valid, **given):
    """Ask as a browser does; return the verdicts by field, and None where all is valid."""
    number, data = listener(name)
    asked = {**valid, **given}
    data = [asked.get(field) for field in FIELDS[name]] + data[len(FIELDS[name]) :]
    body = json.dumps({"data": data, "fn_index": number, "session_hash": "a-visitor"})
    answer = page.post("gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
    if answer.status_code == 200:
        with page.stream("GET", "gradio_api/queue/data", params={"session_hash": "a-visitor"}) as stream:
            (last,) = (line for line in stream.iter_lines() if "process_completed" in line)
        assert json.loads(last.removeprefix("data: "))["success"]
        return None
    assert answer.status_code == 422
    verdicts = zip(FIELDS[name], answer.json()["detail"], strict=False)
    return {field: one["message"] for field, one in verdicts if not one["is_valid"]}


def require_one_sentence(said, field):
    assert list(said) == [field]
    (words,) = said.values()
    assert words[0].isupper() or not words[0].isalpha()
    assert words.endswith(".") and "\n" not in words and len(words) < 400


@pytest.fixture
def photo(page, tmp_path):
    path = tmp_path / "photo.png"
    tiny.photo((72, 56)).save(path)
    return uploaded(page, path.read_bytes())


@pytest.fixture(autouse=True)
def no_traceback(capfd):
    yield
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("content", "says"), BAD_FILES)
def test_what_is_no_picture_is_said_at_the_picture(page, listener, editor, content, says):
    before = len(editor.edits)
    file = uploaded(page, content, "holiday.png")
    said = ask(page, listener, "page_edit", EDITS, original_image=file)
    require_one_sentence(said, "original_image")
    assert len(editor.edits) == before
    assert ask(page, listener, "page_draw", DRAWS, original_image=file) == said


FAULTS = [
    *(("edit_prompt", value) for value in WORDS),
    *((field, value) for field in ("guidance_scale", "image_guidance_scale") for value in SCALES),
    *((field, float(value)) for field in ("guidance_scale",) for value in ("nan", "inf", "-inf")),
    *(("num_inference_steps", value) for value in STEPS),
    *(("seed", value) for value in SEEDS),
    ("original_image", None),
]


@pytest.mark.parametrize(("field", "value"), FAULTS)
def test_what_cannot_be_asked_is_said_at_its_field(page, listener, editor, photo, field, value):
    before = len(editor.edits)
    said = ask(page, listener, "page_edit", {**EDITS, "original_image": photo}, **{field: value})
    require_one_sentence(said, field)
    assert len(editor.edits) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("original_prompt", "edited_prompt") for value in WORDS),
        *(("guidance_scale", value) for value in SCALES),
        *(("num_inference_steps", value) for value in STEPS),
        *(("seed", value) for value in SEEDS),
    ],
)
def test_what_cannot_be_drawn_is_said_at_its_field(page, listener, field, value):
    require_one_sentence(ask(page, listener, "page_draw", DRAWS, **{field: value}), field)


@pytest.mark.parametrize(
    "name", ["../../x.png", "x" * 200 + ".png", "CON.png", "\u202egnp.exe", "<b>.png", "%00.png"]
)
def test_no_name_of_a_file_does_harm(page, listener, editor, name, tmp_path):
    path = tmp_path / "photo.png"
    tiny.photo((72, 56)).save(path)
    file = uploaded(page, path.read_bytes(), name)
    assert ask(page, listener, "page_edit", EDITS, original_image=file) is None
    said = ask(page, listener, "page_edit", EDITS, original_image=uploaded(page, b"hello", name))
    require_one_sentence(said, "original_image")
    assert len(said["original_image"]) < 400 and "<b>" not in said["original_image"]
