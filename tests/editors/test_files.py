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
