"""What the documentation says is so: commands parse, links lead somewhere, Python runs."""

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests import tiny
from ui.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def commands() -> list[tuple[str, str]]:
    """Return (page, command) of every line that calls `wordbrush`; a line may go on after a backslash."""
    return [
        (page.name, line)
        for page in PAGES
        for language, block in BLOCK.findall(page.read_text(encoding="utf-8"))
        if not language
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("wordbrush ")
    ]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_is_one_that_the_program_knows(page: str, line: str) -> None:
    """Its name, its options and their values: read as the program reads them, and not carried out."""
    words = shlex.split(line, comments=True)[1:]
    room = words[0] if words[0] in ("data", "train", "eval") else None
    group: Any = get_command(import_module(f"ui.commands.{room}").app if room else app)
    context = group.make_context("wordbrush", words[1:] if room else words)
    name, found, rest = group.resolve_command(context, words[1:] if room else words)
    assert found is not None, f"{page}: there is no {name}"
    found.make_context(name, rest, parent=context)


def test_there_are_commands_to_look_at() -> None:
    assert len(commands()) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "docs/photos.md", "docs/prompt-edits.md"])
def test_what_is_shown_in_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.photo((90, 70)).save("photo.jpg")
    blocks = [
        block
        for language, block in BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
        if language == "python"
    ]
    for block in blocks:
        exec(compile(block, name, "exec"), {})
    assert blocks and list(tmp_path.glob("*.png"))


def test_the_reference_names_modules_that_there_are() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)
    assert names and [name for name in names if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[2:] if f": {page.name}\n" not in listed] == []
