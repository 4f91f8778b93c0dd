"""Shards hold no trace of time or machine, and reading them trusts nothing."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from dataset_builder.errors import InvalidJob, StorageFailed, UnreadableDataset
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import Sample, ShardSpec, commit_shard, png_bytes
from dataset_builder.shards.storage import locked, require_own
from dataset_builder.shards.tars import read_columns, read_parts

SPEC = ShardSpec(index=0, start=0, stop=2, config_hash="c0ffee")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    mask = np.eye(6, 9, dtype=bool)
    sample = Sample(
        key="a", parts={"image.png": png_bytes(picture(1)), "mask.png": png_bytes(mask), "json": b'{"x":"y"}'}
    )
    commit_shard(tmp_path, SPEC, [sample, "dull"])
    (back,) = read_columns(tmp_path / "scenes-00000.tar")
    assert back["__key__"] == "a" and back["x"] == "y"
    assert back["image"].dtype == np.uint8 and (back["image"] == picture(1)).all()
    assert (back["mask"] == mask * 255).all()
    (part,) = read_columns(tmp_path / "scenes-00000.tar", frozenset({"mask"}))
    assert part.keys() == {"__key__", "mask"}


def test_headers_say_nothing_of_time_user_or_machine(tmp_path: Path) -> None:
    commit_shard(tmp_path, SPEC, [Sample(key="a", parts={"json": b"{}"})])
    with tarfile.open(tmp_path / "scenes-00000.tar") as tar:
        (member,) = tar
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_the_reader_of_others_reads_our_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    commit_shard(
        tmp_path, SPEC, [Sample(key=k, parts={"json": b"{}", "image.png": b"x"}) for k in ("a", "b")]
    )
    url = f"file:{tmp_path / 'scenes-00000.tar'}"
    samples = list(webdataset.WebDataset(url, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["a", "b"]
    assert samples[0]["image.png"] == b"x"


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "target"
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../../x.image.png"),
        tarfile.TarInfo("/etc/x.image.png"),
        tarfile.TarInfo("no_ending"),
        tarfile.TarInfo("a b.json"),
        link("a.json", tarfile.SYMTYPE),
        link("a.json", tarfile.LNKTYPE),
    ],
)
def test_foreign_members_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(member, io.BytesIO(b""))
    with pytest.raises(UnreadableDataset, match="no sample of ours"):
        list(read_columns(tmp_path / "x.tar"))


@pytest.mark.parametrize("ending", ["image.pkl", "pyd"])
def test_a_pickle_in_a_shard_is_refused_by_its_name(tmp_path: Path, ending: str) -> None:
    trap = b"cos\nsystem\n(S'touch canary'\ntR."
    commit_shard(tmp_path, SPEC, [Sample(key="a", parts={ending: trap, "json": b"{}"})])
    with pytest.raises(UnreadableDataset, match=f"a.{ending}"):
        list(read_columns(tmp_path / "scenes-00000.tar"))
    assert not Path("canary").exists()


@pytest.mark.parametrize("content", [b"", b"<html>no tar</html>", b"x" * 1024])
def test_what_is_no_tar_is_an_error_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UnreadableDataset, match="run the command that made it again"):
        list(read_columns(tmp_path / "x.tar"))


@pytest.mark.parametrize("broken", [b"<html>", png_bytes(picture(0))[:-40]])
def test_a_broken_picture_is_an_error_that_names_the_shard(tmp_path: Path, broken: bytes) -> None:
    commit_shard(tmp_path, SPEC, [Sample(key="a", parts={"image.png": broken})])
    with pytest.raises(UnreadableDataset, match="scenes-00000"):
        list(read_columns(tmp_path / "scenes-00000.tar"))


@pytest.mark.parametrize("key", ["../a", "a/b", "", "a" * 100, "a.b c"])
def test_a_key_that_is_a_path_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidJob):
        commit_shard(tmp_path, SPEC, [Sample(key=key, parts={"json": b"{}"})])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"config":'])
def test_a_folder_without_a_dataset_is_an_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(UnreadableDataset, match=r"dataset\.json"):
        read_dataset(tmp_path)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from dataset_builder.shards.shards import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "spec = ShardSpec(index=0, start=0, stop=1, config_hash='')\n"
        "commit_shard(Path(sys.argv[1]), spec, [Sample(key='a', parts={'json': b'x' * 10000})])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert "StorageFailed" in done.stderr and "free space" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_there_before_us_is_not_written_over(tmp_path):
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(StorageFailed, match=r"holds report.md, which no run of ours wrote"):
        require_own(tmp_path, "grid.png", "report.md")
    require_own(tmp_path / "nowhere", "report.md")
    assert not (tmp_path / "nowhere").exists()
    with locked(tmp_path):  # from now on it is ours
        pass
    require_own(tmp_path, "grid.png", "report.md")


def test_a_shard_that_is_cut_within_a_member_is_an_error_that_names_it(tmp_path: Path) -> None:
    commit_shard(tmp_path, SPEC, [Sample(key="a", parts={"image.png": b"\x89PNG" * 4000, "json": b"{}"})])
    shard = tmp_path / "scenes-00000.tar"
    shard.write_bytes(shard.read_bytes()[:6000])
    for read in (read_columns, read_parts):
        with pytest.raises(UnreadableDataset, match=r"scenes-00000\.tar cannot be read"):
            list(read(shard))
