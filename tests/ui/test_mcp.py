"""An assistant edits pictures of one folder over MCP: in the page's line, beside the original alone."""

import asyncio
import json
import os
from contextlib import contextmanager

import httpx
import pytest
from mcp import Client
from PIL import Image
from starlette.routing import Route
from typer.testing import CliRunner

from editors.pictures.images import read_picture
from editors.requests.recipe import read_recipe
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.cli import app
from ui.mcp import PATH, Endpoint, McpTools


def filled(root):
    """Make a folder with a picture, a link to one outside, and something else."""
    place = root / "pictures"
    (place / "trip").mkdir(parents=True)
    tiny.photo((60, 40)).save(place / "trip" / "beach.png")
    tiny.photo((60, 40)).save(root / "secret.png")
    (place / "link.png").symlink_to(root / "secret.png")
    (place / "notes.txt").write_text("no picture")
    return place


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path)


@contextmanager
def served(folder, editor):
    page = build_app(editor, model="negative")
    tools = McpTools(folder, lambda: str(page.local_url))
    url = serve(page, host="127.0.0.1", port=None, routes=[Route(PATH, Endpoint(tools.server()))])
    try:
        yield url.rstrip("/") + PATH
    finally:
        page.close(verbose=False)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A folder and the address where its pictures could be edited: for tests that edit none."""
    folder = filled(tmp_path_factory.mktemp("untouched"))
    with served(folder, NegativeEditor()) as address:
        yield folder, address


def called(address, *calls):
    """Make calls in one session; return (whether it failed, its parts) for each."""

    async def all_of():
        async with Client(address) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return [(one.is_error, one.content) for one in asyncio.run(all_of())]


def test_a_picture_of_the_folder_is_edited_beside_itself(folder):
    editor = NegativeEditor()
    edit = ("edit_picture", {"picture": "trip/beach.png", "instruction": "make it night", "seed": 7})
    with served(folder, editor) as address:
        (_, listed), (failed, (told, shown)), (_, (again, _)) = called(
            address, ("list_pictures", {}), edit, edit
        )
    assert not failed
    assert [part.text for part in listed] == ["trip/beach.png"]
    made = json.loads(told.text)
    assert made["picture"] == "trip/beach-edited.png"
    assert json.loads(again.text)["picture"] == "trip/beach-edited-2.png"  # over nothing
    assert read_recipe(folder / made["picture"]).settings["edit_prompt"] == "make it night"
    with Image.open(folder / made["picture"]) as picture:
        assert picture.size == (60, 40)
    assert shown.type == "image" and shown.mime_type == "image/png"
    assert [one.seed for one in editor.edits] == [7, 7]


def test_further_pictures_of_the_folder_are_handed_over_and_no_others(folder):
    tiny.photo((20, 30), seed=4).save(folder / "hat.png")
    editor = NegativeEditor()
    asked = {"picture": "trip/beach.png", "instruction": "put the hat of picture 2 on"}
    with served(folder, editor) as address:
        (failed, _), (refused, (said,)) = called(
            address,
            ("edit_picture", {**asked, "references": ["hat.png"]}),
            ("edit_picture", {**asked, "references": ["link.png"]}),
        )
        (edit,) = editor.edits
        (given,) = edit.references or ()
        assert read_picture("references", given).size == (20, 30)
    assert not failed and refused and "references: 'link.png' is none of list_pictures" in said.text


@pytest.mark.parametrize(
    "name", ["../secret.png", "link.png", "no-such.png", "", ".", "trip", "/etc/hostname", "a\0b", "~/x.png"]
)
def test_nothing_outside_the_folder_is_read_or_told_of(untouched, name):
    folder, address = untouched
    ((failed, (said,)),) = called(address, ("edit_picture", {"picture": name, "instruction": "night"}))
    assert failed and said.text.endswith("is none of list_pictures; give one of these names.")
    assert sorted(path.name for path in folder.rglob("*")) == ["beach.png", "link.png", "notes.txt", "trip"]


def test_a_picture_that_goes_while_the_folder_is_looked_through_is_not_listed(folder, monkeypatch):
    tiny.photo().save(folder / "gone.png")
    looked_at = McpTools._picture

    def and_goes(tools, name):
        found = looked_at(tools, name)
        if found is not None and found.name == "gone.png":
            found.unlink()
        return found

    monkeypatch.setattr(McpTools, "_picture", and_goes)
    assert McpTools(folder, lambda: "").list_pictures() == ["trip/beach.png"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"instruction": " "}, "edit_prompt: is empty"),
        ({"seed": -1}, "seed: -1 is not allowed"),
        ({"only": 2}, "only: 2.0 is not allowed"),
        ({"picture": "notes.txt"}, "no picture"),
        ({"model": "another"}, "choose from negative"),
        ({"sed": 7}, "sed: is none; the fields of edit_picture are picture, instruction, seed"),
        ({"instruction": None}, "instruction: is missing; the fields of edit_picture are"),
        ({"seed": "seven"}, "seed: Input should be a valid integer"),
    ],
)
def test_a_mistake_is_the_sentence_that_everybody_gets(untouched, given, says):
    asked = {"picture": "trip/beach.png", "instruction": "make it night", **given}
    ((failed, (said,)),) = called(untouched[1], ("edit_picture", asked))
    assert failed and says in said.text


@pytest.mark.parametrize("others", [["--auth", "me:secret"], ["--allow-host", "edit.example.org"]])
def test_a_page_that_others_reach_lets_no_assistant_in(folder, others):
    said = CliRunner().invoke(app, ["ui", "--mcp", str(folder), *others])
    assert "only this machine reaches" in str(said.exception)


def test_another_sites_page_is_no_assistant(untouched):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert httpx.post(untouched[1], json=body, headers=headers, timeout=180).status_code in (400, 403)


def test_names_that_no_request_can_spell_are_listed_edited_and_kept_whole(folder):
    odd, long = folder / os.fsdecode(b"caf\xe9.png"), folder / ("x" * 246 + ".png")
    for path in (odd, long):
        tiny.photo((60, 40)).save(path)
    with served(folder, NegativeEditor()) as address:
        ((_, listed),) = called(address, ("list_pictures", {}))
        names = [part.text for part in listed]
        done = called(
            address, *(("edit_picture", {"picture": name, "instruction": "make it night"}) for name in names)
        )
    assert r"caf\xe9.png" in names and not any(failed for failed, _ in done)
    assert (folder / os.fsdecode(b"caf\xe9-edited.png")).is_file()
    assert any(path.name.endswith("x-edited.png") for path in folder.iterdir())


@pytest.mark.parametrize("name", ["x" * 5000, "\ud83d.png", r"caf\xe9.png"])
def test_a_name_of_no_picture_is_told_so_whatever_it_is(folder, name):
    assert McpTools(folder, lambda: "")._picture(name) is None
