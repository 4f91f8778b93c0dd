from pathlib import Path

import pytest

from editors.files import replacing, replacing_folder, user_path


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
