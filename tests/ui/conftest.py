"""What tests of commands stand on: a folder of their own, and toy models."""

import pytest

from tests import tiny
from tests.ui.visit import FLAGS, chromium


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of toy models as their pipelines save them, by kind."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("edit", "base")}
    for kind, folder in folders.items():
        tiny.pipeline(kind=kind).save_pretrained(folder)
    return folders


@pytest.fixture(scope="module")
def browser():
    """A browser without windows; what needs it is skipped where there is none."""
    from playwright.sync_api import sync_playwright

    found = chromium()
    if found is None:
        pytest.skip("no Chromium on this machine: page tests need one")
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=found, args=FLAGS.split())
