"""Artwork is pinned to the byte: other bytes are not unpacked, and what is missing says how to get it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from dataset_builder.scenes.artwork import store
from dataset_builder.scenes.artwork.sets import ARTWORK_SETS, ArtworkSet
from dataset_builder.scenes.errors import ArtworkFetchFailed, MissingArtwork
from dataset_builder.scenes.paint.objects.sprites import noun_master
from dataset_builder.scenes.vocabulary import NOUNS


def tarball(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return f"sha512-{base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()}"


def test_every_set_names_its_licence_and_credit_and_every_npm_package_its_hash() -> None:
    for entry in ARTWORK_SETS.values():
        assert entry.licence in {"MIT", "Apache-2.0", "CC-BY-4.0", "CC0-1.0"}
        assert entry.credit
        assert entry.form == "files" or len(base64.b64decode(entry.integrity.removeprefix("sha512-"))) == 64


def test_a_missing_set_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORDBRUSH_CACHE", str(tmp_path))
    with pytest.raises(MissingArtwork, match="run `wordbrush data artwork noto`"):
        noun_master(NOUNS["cow"], "noto", 64)
    with pytest.raises(MissingArtwork, match="the sets are"):
        store.artwork_folder("clip-art")


def test_other_bytes_than_the_pinned_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pack(entry: ArtworkSet, workplace: Path) -> Path:
        tarball(workplace / "a.tgz", {"package/icons.json": b"{}"})
        return workplace / "a.tgz"

    monkeypatch.setenv("WORDBRUSH_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "_npm_pack", pack)
    with pytest.raises(ArtworkFetchFailed, match="is not the pinned package"):
        store.fetch_artwork(["noto"])
    assert not store.has_artwork("noto")
    assert not list((tmp_path / "artwork").iterdir())


def test_unpacking_keeps_wanted_files_and_follows_no_path(tmp_path: Path) -> None:
    archive, folder = tmp_path / "a.tgz", tmp_path / "out"
    folder.mkdir()
    members = {
        "package/icons.json": b"{}",
        "../evil": b"x",
        "package/../../icons.json": b"x",
        "package/x.js": b"x",
    }
    integrity = tarball(archive, members)
    entry = dataclasses.replace(ARTWORK_SETS["noto"], integrity=integrity)
    store._check_integrity(entry, archive)
    store._unpack(entry, archive, folder)
    assert [path.name for path in folder.iterdir()] == ["icons.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz", "out"]


def test_without_npm_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORDBRUSH_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ArtworkFetchFailed, match="npm client"):
        store.fetch_artwork(["noto"])


def test_the_cache_does_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORDBRUSH_CACHE", str(tmp_path))
    noun_master.__globals__["_master"].cache_clear()
    drawn = noun_master(NOUNS["cow"], "twemoji", 160)
    noun_master.__globals__["_master"].cache_clear()
    read = noun_master(NOUNS["cow"], "twemoji", 160)
    assert drawn.tobytes() == read.tobytes()
    assert max(drawn.size) == 160
    assert not list(tmp_path.rglob("*.tmp"))
