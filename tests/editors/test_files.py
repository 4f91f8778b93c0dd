"""Paths and files: whole or not at all, under any name, on filesystems that lack what others have."""

import errno
import os
from pathlib import Path

import pytest

from editors.files import linked, named_after, replacing, replacing_folder, user_path


def test_home_is_meant_wherever_it_is_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert user_path("~/x") == user_path(Path("~/x")) == tmp_path / "x"
    assert user_path("a/~/x") == Path("a/~/x")
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


@pytest.mark.parametrize("name", ["picture.png", "写" * 80, "x" * 255])
def test_a_file_is_old_or_new_and_nothing_else_is_left(tmp_path, name):
    path = tmp_path / name
    with replacing(path) as file:
        file.write(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, b"old")]


def test_a_folder_is_old_or_new_and_nothing_else_is_left(tmp_path):
    folder = tmp_path / "model"
    for content in ("old", "new"):
        with replacing_folder(folder) as filled:
            (filled / content).write_text(content)
        assert [path.name for path in folder.iterdir()] == [content]
    with pytest.raises(OSError, match="full"), replacing_folder(folder) as filled:
        (filled / "half").write_text("half")
        raise OSError("the disk is full")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]


def test_an_old_folder_is_never_lost_even_where_it_cannot_be_put_back(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("old")
    rename, refused = Path.rename, []

    def stubborn(path, target):
        if Path(target) == folder:  # neither the new one nor the old one can take the place
            refused.append(path)
            raise OSError("refused")
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="refused"):
        patch.setattr(Path, "rename", stubborn)
        with replacing_folder(folder) as filled:
            (filled / "weights").write_text("new")
    assert len(refused) == 2
    assert [path.read_text() for path in tmp_path.rglob("weights")] == ["old"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    for name, there in (("file", True), ("new", False)):
        target, link = tmp_path / "far" / name, tmp_path / name
        if there:
            target.write_text("old")
        link.symlink_to(f"far/{name}")
        with replacing(link) as file:
            file.write(b"new")
        assert link.is_symlink() and target.read_bytes() == b"new"
    (tmp_path / "far" / "model").mkdir()
    (tmp_path / "model").symlink_to("far/model")
    with replacing_folder(tmp_path / "model") as filled:
        (filled / "weights").write_text("new")
    assert (tmp_path / "model").is_symlink()
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["file", "model", "new"]
    assert (tmp_path / "far" / "model" / "weights").read_text() == "new"


def test_a_file_that_is_replaced_keeps_who_may_read_it(tmp_path):
    path = tmp_path / "private.json"
    path.touch(mode=0o600)
    with replacing(path) as file:
        file.write(b"{}")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["a" * 246 + ".png", "写" * 80 + ".jpg", "é" * 126, "नी" * 41, "x.png"])
def test_a_name_that_is_derived_fits_and_keeps_its_mark(tmp_path, name):
    derived = named_after(named_after(tmp_path / name, "-edited", ".png"), "-2")
    derived.touch()
    assert derived.name.endswith("-edited-2.png")
    kept = derived.name.removesuffix("-edited-2.png")
    assert Path(name).stem.startswith(kept) and kept
    assert len(kept) == len(Path(name).stem) or len(os.fsencode(derived.name)) > 235
    with replacing_folder(tmp_path / name) as filled:
        (filled / "x").touch()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_filesystem_that_cannot_flush_does_without(tmp_path, monkeypatch, code):
    def fsync(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(tmp_path / "file") as file:
        file.write(b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_disk_that_fails_is_told(tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="the disk fails"), replacing(tmp_path / "file") as file:
        file.write(b"content")
    assert not list(tmp_path.iterdir())


def test_where_there_are_no_hard_links_a_file_is_copied(tmp_path, monkeypatch):
    def link(path, place):
        raise OSError(errno.EPERM, "no links here")

    (tmp_path / "a").write_text("content")
    monkeypatch.setattr(os, "link", link)
    linked(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "content"
