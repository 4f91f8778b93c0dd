"""What leaves opens with the libraries of others: equal columns, counts and pixels; poison does not leave."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dataset_builder.errors import InvalidJob, StorageFailed, UnreadableDataset
from dataset_builder.pairs.export import ExportJob, ExportReport, export_pairs
from dataset_builder.pairs.overlay import add_verdict, read_overlay
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.fill import Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, png_bytes
from dataset_builder.shards.storage import canonical_json, hash_file, write_json

# What diffusers' examples/instruct_pix2pix/train_instruct_pix2pix.py reads where it is told nothing else.
DIFFUSERS_COLUMNS = {"input_image", "edit_prompt", "edited_image"}
NUM = 5


def pair(number: int, **words: Any) -> Sample:
    random = np.random.default_rng(number)
    before, after = random.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    columns = {
        "original_prompt": f"a cat {number}",
        "edit_prompt": f"make it a dog, “{number}”",
        "edited_prompt": f"a dog {number}",
        "kind": "swap",
        "seed": number,
        "guidance_scale": 4 if number % 2 else 4.5,
        "scores": {"image_image": 0.8, "direction": 1 if number == 0 else 0.25},
        **words,
    }
    parts = {
        "original_image.png": png_bytes(before),
        "edited_image.png": png_bytes(after),
        "json": canonical_json(columns).encode(),
    }
    return Sample(key=f"{number:08d}-000", parts=parts)


def make_dataset(folder: Path, samples: list[Sample]) -> Path:
    config = {"kind": "toy"}
    specs = cut(config, len(samples), 2, prefix="pairs")
    for _ in fill_folder(
        folder,
        config=config,
        specs=specs,
        fill=lambda spec: lambda: samples[spec.start : spec.stop],
        running=Running(executor="serial"),
    ):
        pass
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("export") / "pairs", [pair(number) for number in range(NUM)])


def export(dataset: Path, out: Path, **changes: Any) -> ExportReport:
    *_, report = export_pairs(ExportJob(dataset=dataset, out=out, **changes))
    assert isinstance(report, ExportReport)
    return report


def assert_equal_pictures(rows: list[dict[str, Any]], dataset: Path) -> None:
    originals = list(read_dataset(dataset).samples())
    assert len(rows) == len(originals)
    for row, original in zip(rows, originals, strict=True):
        assert row["edit_prompt"] == original["edit_prompt"]
        assert np.array_equal(np.asarray(row["input_image"]), original["original_image"])
        assert np.array_equal(np.asarray(row["edited_image"]), original["edited_image"])


@pytest.mark.parametrize("form", ["parquet", "imagefolder"])
def test_datasets_opens_it_with_the_columns_that_training_scripts_read(
    dataset: Path, tmp_path: Path, form: Any
) -> None:
    datasets = pytest.importorskip("datasets")
    report = export(dataset, tmp_path / "out", to=form, samples_per_file=2)
    assert report.count == NUM
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert set(loaded.column_names) > DIFFUSERS_COLUMNS
    for column in ("input_image", "edited_image"):
        assert isinstance(loaded.features[column], datasets.Image)
    rows = sorted(loaded, key=lambda row: row["seed"])
    assert_equal_pictures(rows, dataset)
    assert rows[0]["clip_direction"] == 1.0 and rows[1]["guidance_scale"] == 4.0


def test_webdataset_reads_it_with_everything_dangerous_forbidden(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WDS_SECURE", "1")
    wds = pytest.importorskip("webdataset")
    report = export(dataset, tmp_path / "out", to="webdataset", samples_per_file=3)
    assert report.files == 2
    urls = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    rows = [
        {
            "input_image": sample["input_image.png"],
            "edited_image": sample["edited_image.png"],
            "edit_prompt": sample["edit_prompt.txt"],
        }
        for sample in wds.WebDataset(urls, shardshuffle=False).decode("pil")
    ]
    assert_equal_pictures(rows, dataset)


@pytest.mark.parametrize("form", ["parquet", "imagefolder", "webdataset"])
def test_equal_datasets_export_to_equal_bytes_with_a_card(dataset: Path, tmp_path: Path, form: Any) -> None:
    for name in ("a", "b"):
        export(dataset, tmp_path / name, to=form)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)
    text = (tmp_path / "a" / "README.md").read_text()
    assert read_dataset(dataset).data_hash in text and f"\n{NUM} pairs" in text and "| swap | 5 |" in text


def test_what_a_person_rejected_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "pairs", [pair(number) for number in range(3)])
    add_verdict(folder, "00000001-000", "reject")
    add_verdict(folder, "00000002-000", "reject")
    add_verdict(folder, "00000002-000", "open")
    assert read_overlay(folder) == {"00000001-000": "reject"}
    report = export(folder, tmp_path / "out", to="imagefolder")
    assert (report.count, report.left_out) == (2, {"rejected_by_hand": 1})
    assert "| rejected_by_hand | 1 |" in (tmp_path / "out" / "README.md").read_text()


def test_a_pair_that_lacks_a_picture_is_left_out_and_counted(tmp_path: Path) -> None:
    whole = pair(0)
    half = Sample(key="00000001-000", parts={n: c for n, c in pair(1).parts.items() if "edited" not in n})
    report = export(make_dataset(tmp_path / "pairs", [whole, half]), tmp_path / "out", to="webdataset")
    assert (report.count, report.left_out) == (1, {"without edited_image": 1})


def poisoned(folder: Path, add: Any) -> Path:
    """Make a dataset whose tar a stranger wrote, with a manifest that fits it."""
    make_dataset(folder, [pair(0)])
    path = folder / "pairs-00000.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for ending, content in pair(0).parts.items():
            member = tarfile.TarInfo(f"00000000-000.{ending}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        add(tar)
    manifest = json.loads((folder / "pairs-00000.json").read_text())
    manifest |= {"sha256": hash_file(path), "bytes": path.stat().st_size}
    write_json(folder / "pairs-00000.json", manifest)
    return folder


def add_file(name: str, content: bytes = b"x", **fields: Any) -> Any:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        tar.addfile(member, io.BytesIO(content) if member.isreg() else None)

    return add


def bomb() -> bytes:
    """A small PNG of many pixels."""
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "add",
    [
        add_file("00000000-000.edited_image.pkl", b"cos\nsystem\n(S'touch canary'\ntR."),
        add_file("../../escape.json", b"{}"),
        add_file("/etc/escape.json", b"{}"),
        add_file("00000001-000.original_image.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        add_file("00000001-000.original_image.png", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        add_file("00000001-000.original_image.png", bomb()),
        add_file("00000001-000.json", b"[" * 100_000),
        add_file("00000000-000.json", b"{}"),
    ],
    ids=["pickle", "path out", "absolute", "symlink", "hard link", "bomb", "nesting", "twice"],
)
def test_a_poisoned_shard_is_refused_by_the_name_of_its_member(tmp_path: Path, add: Any) -> None:
    folder = poisoned(tmp_path / "pairs", add)
    with pytest.raises(UnreadableDataset, match=r"pairs-00000\.tar.*(escape|0000000[01]-000)"):
        export(folder, tmp_path / "out", to="webdataset")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


@pytest.mark.parametrize("name", ["pipe:touch canary", "../other/pairs-00000", "/etc/pairs-00000", 7])
def test_an_index_that_names_a_command_or_another_folder_is_refused(tmp_path: Path, name: Any) -> None:
    folder = make_dataset(tmp_path / "pairs", [pair(0)])
    index = json.loads((folder / "dataset.json").read_text())
    write_json(folder / "dataset.json", {**index, "shards": [name]})
    with pytest.raises(UnreadableDataset, match="no index of ours"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_flipped_byte_is_not_exported(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "pairs", [pair(0), pair(1)])
    content = bytearray((folder / "pairs-00000.tar").read_bytes())
    content[600] ^= 1
    (folder / "pairs-00000.tar").write_bytes(content)
    with pytest.raises(UnreadableDataset, match="data verify"):
        export(folder, tmp_path / "out", to="webdataset")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_never_written_to(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidJob, match="not empty"):
        export(dataset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_system_that_refuses_leaves_nothing_half_written(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="could not be written"):
        export(dataset, tmp_path / "file" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_shard_of_other_samples_says_what_is_missing(tmp_path: Path) -> None:
    scene = Sample(key="00000000", parts={"image.png": png_bytes(np.zeros((8, 8, 3), np.uint8))})
    folder = make_dataset(tmp_path / "scenes", [scene])
    with pytest.raises(InvalidJob, match="without original_image"):
        export(folder, tmp_path / "out")
