"""What tests of commands stand on: a folder of their own, and toy models."""

import pytest

from tests import tiny


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
