"""Laws: every convention gives the same triples for the same content; a row is a pair or a counted reason."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.pictures import OTHER_SHAPE, UNREADABLE, decode
from dataset_builder.pairs.sources import (
    CONVENTIONS,
    NO_INSTRUCTION,
    NO_PICTURE,
    NO_TEXT,
    PairRef,
    open_pairs,
)
from dataset_builder.shards.shards import png_bytes
from tests.trainer import toy
from trainer.data.pairs import read_pairs
from trainer.errors import UnusableData


def content(number, side=20):
    """Original, edited picture and instruction of a pair."""
    rng = np.random.default_rng(number)
    pictures = [png_bytes(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(2)]
    return pictures[0], pictures[1], f"make it number {number}"


PAIRS = [content(number) for number in range(3)]


def triples(folder):
    rows = list(open_pairs(folder).rows())
    refs = [row for row in rows if isinstance(row, PairRef)]
    assert len(refs) == len(rows)
    return [(ref.original.read(), ref.edited.read(), *ref.instructions) for ref in refs]


def write_imagefolder(folder, columns, pairs):
    folder.mkdir(parents=True)
    lines = []
    for number, (original, edited, said) in enumerate(pairs):
        (folder / f"{number}_a.png").write_bytes(original)
        (folder / f"{number}_b.png").write_bytes(edited)
        line = {f"{columns.original}_file_name": f"{number}_a.png", columns.instruction: said}
        lines.append(json.dumps(line | {f"{columns.edited}_file_name": f"{number}_b.png"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))


def write_tar(folder, columns, pairs):
    folder.mkdir(parents=True)
    with tarfile.open(folder / "00.tar", "w") as tar:
        for number, (original, edited, said) in enumerate(pairs):
            parts = {
                f"{columns.original}.png": original,
                f"{columns.edited}.png": edited,
                "json": json.dumps({columns.instruction: said}).encode(),
            }
            for ending, part in parts.items():
                member = tarfile.TarInfo(f"{number:05d}.{ending}")
                member.size = len(part)
                tar.addfile(member, io.BytesIO(part))


def as_dataset(columns, pairs):
    datasets = pytest.importorskip("datasets")
    picture = datasets.Image()
    one = datasets.Value("string")
    said = datasets.List(one) if isinstance(pairs[0][2], list) else one
    rows = {
        columns.original: [{"bytes": original, "path": None} for original, _, _ in pairs],
        columns.edited: [{"bytes": edited, "path": None} for _, edited, _ in pairs],
        columns.instruction: [text for _, _, text in pairs],
    }
    features = {columns.original: picture, columns.edited: picture, columns.instruction: said}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def write_parquet(folder, columns, pairs):
    folder.mkdir(parents=True)
    as_dataset(columns, pairs).to_parquet(folder / "train-00000-of-00001.parquet", batch_size=2)


def write_saved(folder, columns, pairs):
    as_dataset(columns, pairs).save_to_disk(folder)


@pytest.mark.parametrize("write", [write_imagefolder, write_tar, write_parquet, write_saved])
@pytest.mark.parametrize("columns", CONVENTIONS, ids=lambda columns: columns.convention)
def test_every_convention_in_every_form_gives_the_same_triples(tmp_path, write, columns):
    write(tmp_path / "data", columns, PAIRS)
    assert triples(tmp_path / "data") == PAIRS


def test_lists_of_wordings_are_kept_whole(tmp_path):
    omni = next(columns for columns in CONVENTIONS if columns.convention == "OmniEdit")
    several = [(original, edited, [said, f"please {said}"]) for original, edited, said in PAIRS]
    for write in (write_imagefolder, write_tar, write_parquet, write_saved):
        folder = tmp_path / write.__name__
        write(folder, omni, several)
        assert triples(folder) == [(a, b, *said) for a, b, said in several]


@pytest.mark.parametrize("caption", ["input", "caption"])
def test_the_authors_folders_give_a_pair_for_each_seed(tmp_path, caption):
    place = tmp_path / "0000001"
    place.mkdir()
    (tmp_path / "seeds.json").write_text(json.dumps([["0000001", ["11", "12", "13"]]]))
    (place / "prompt.json").write_text(json.dumps({caption: "a", "edit": PAIRS[0][2], "output": "b"}))
    for seed, (original, edited, _) in zip(("11", "12", "13"), PAIRS, strict=True):
        (place / f"{seed}_0.jpg").write_bytes(original)
        (place / f"{seed}_1.jpg").write_bytes(edited)
    assert triples(tmp_path) == [(original, edited, PAIRS[0][2]) for original, edited, _ in PAIRS]


def test_our_own_shards_are_pairs(tmp_path):
    pairs = read_pairs(toy.dataset(tmp_path / "pairs", pairs=True))
    assert len(pairs) == 10
    assert not pairs.skipped
    drawn = toy.draw(4, pairs=True).parts
    assert pairs.refs[4].original.read() == drawn["original_image.png"]
    assert pairs.refs[4].edited.read() == drawn["edited_image.png"]
    assert pairs.refs[4].instructions == (json.loads(drawn["json"])["edit_prompt"],)


def test_equal_content_has_equal_hashes_whatever_its_form(tmp_path):
    for write in (write_imagefolder, write_tar, write_parquet):
        write(tmp_path / write.__name__, CONVENTIONS[0], PAIRS)
    forms = ("write_imagefolder", "write_tar", "write_parquet")
    assert len({read_pairs(tmp_path / form).data_hash for form in forms}) == 1
    write_tar(tmp_path / "other", CONVENTIONS[0], PAIRS[::-1])
    assert read_pairs(tmp_path / "other").data_hash != read_pairs(tmp_path / "write_tar").data_hash


def test_rows_that_are_no_pairs_are_counted_by_reason(tmp_path, caplog):
    folder, (original, edited, said) = tmp_path / "data", PAIRS[0]
    rows = [
        (original, edited, said),
        (original[:300], edited, said),
        (original, b"no picture", said),
        (original, edited, "  "),
        (original, edited, None),
        (content(1, 40)[0], png_bytes(np.zeros((20, 40, 3), np.uint8)), said),
        (content(2, 40)[0], edited, said),  # of another size, but of one shape
        (original, edited, said),
    ]
    write_imagefolder(folder, CONVENTIONS[0], rows)
    (folder / "7_b.png").unlink()
    with (folder / "metadata.jsonl").open("a") as file:
        file.write("\nthis is no JSON\n")
    pairs = read_pairs(folder)
    assert pairs.skipped == {NO_PICTURE: 2, OTHER_SHAPE: 1, UNREADABLE: 2, NO_INSTRUCTION: 2}
    assert len(pairs) + sum(pairs.skipped.values()) == 9
    assert "2 picture missing" in caplog.text
    assert pairs.facts()["skipped"] == pairs.skipped


def test_what_was_seen_is_noted_and_changed_files_are_seen_anew(tmp_path):
    folder, cache = tmp_path / "data", tmp_path / "cache"
    write_imagefolder(folder, CONVENTIONS[0], PAIRS)
    first, again = read_pairs(folder, cache), read_pairs(folder, cache)
    assert (first.data_hash, first.refs) == (again.data_hash, again.refs)
    assert len(list(cache.iterdir())) == 1
    (folder / "1_a.png").write_bytes(PAIRS[1][0] + b" ")
    assert read_pairs(folder, cache).data_hash != first.data_hash


def test_odd_pictures_are_upright_rgb_on_white(tmp_path):
    clear = Image.new("RGBA", (20, 30), (255, 0, 0, 0))
    turned = Image.new("RGB", (20, 30), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    for picture, options, size in ((clear, {}, (20, 30)), (turned, {"exif": exif}, (30, 20))):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", **options)
        read = decode(buffer.getvalue())
        assert (read.mode, read.size) == ("RGB", size)
        assert read.getpixel((5, 5)) == ((255, 255, 255) if picture is clear else (255, 0, 0))


def test_unknown_columns_are_listed(tmp_path):
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"before_file_name": "x.png", "say": "hello"}))
    with pytest.raises(UnreadableDataset, match=r"found: before, say.*source_img, target_img, instruction"):
        open_pairs(tmp_path)


def test_a_list_that_leads_out_of_its_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(PAIRS[0][0])
    (tmp_path / "data").mkdir()
    line = {"original_image_file_name": "../secret.png", "edited_image_file_name": "../secret.png"}
    (tmp_path / "data" / "metadata.jsonl").write_text(json.dumps(line | {"edit_prompt": "x"}))
    with pytest.raises(UnusableData, match=f"no usable pair \\(1 {NO_PICTURE}\\)"):
        read_pairs(tmp_path / "data")


def test_a_folder_without_anything_is_one_sentence(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UnreadableDataset, match=r"^data: .*; .*\.$"):
            open_pairs(folder)


def lists(folder, names):
    """Write picture folders of a pair each; return what the whole is read as."""
    for number, name in enumerate(names):
        write_imagefolder(folder / name, CONVENTIONS[1], [content(number)])
    return read_pairs(folder)


@pytest.mark.parametrize(
    ("names", "used", "told"),
    [
        (["cars", "trains"], 2, ""),
        (["cars", "steam-train", "pretrained"], 3, ""),
        (["cars", "evaluations", "contest"], 3, ""),
        (["train", "validation"], 1, 'left out 1 files of split "validation"'),
        (["Train", "TEST", "val"], 1, 'left out 1 files of split "test"'),
        (["training/a", "training/b", "dev"], 2, 'left out 1 files of split "validation"'),
        (["train", "cars"], 1, "left out 1 files of no split (cars/metadata.jsonl)"),
        (["cars", "test"], 1, 'left out 1 files of split "test"'),
        (["validation"], 1, 'has no split "train"'),
        ([".ipynb_checkpoints", "cars"], 1, ""),
        (["__MACOSX/cars", "cars"], 1, ""),
    ],
)
def test_a_split_is_a_whole_part_of_a_path_and_what_is_left_out_is_told(tmp_path, caplog, names, used, told):
    pairs = lists(tmp_path, names)
    assert len(pairs) == used
    assert told in caplog.text and bool(told) == bool(pairs.notes)
    assert pairs.facts()["notes"] == list(pairs.notes)


def test_several_splits_without_training_are_to_be_chosen_from(tmp_path):
    with pytest.raises(UnusableData, match="found: test, validation"):
        lists(tmp_path, ["test", "val"])


def test_numbered_files_of_which_one_is_missing_are_told(tmp_path, caplog):
    for number in (0, 2):
        place = tmp_path / f"one-{number}"
        write_parquet(place, CONVENTIONS[1], [content(number)])
        (place / "train-00000-of-00001.parquet").rename(tmp_path / f"train-0000{number}-of-00003.parquet")
    assert len(read_pairs(tmp_path)) == 2
    assert "1 of 3 files are missing (number 1)" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", ["jsonl", ",", ";", "\t"])
def test_lists_are_read_whole_whatever_saved_them(tmp_path, encoding, delimiter):
    folder = tmp_path / "data"
    write_imagefolder(folder, CONVENTIONS[1], PAIRS)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    (folder / "metadata.jsonl").unlink()
    if delimiter == "jsonl":
        text, name = "\r\n".join(map(json.dumps, rows)), "metadata.jsonl"
    else:
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        text, name = "\r\n".join(delimiter.join(line) for line in lines), "metadata.csv"
    (folder / name).write_bytes(text.encode(encoding))
    assert triples(folder) == PAIRS


def test_a_list_in_another_encoding_is_one_sentence(tmp_path):
    (tmp_path / "metadata.csv").write_bytes(
        "input_image,edited_image,edit_prompt\na,b,caf\xe9\n".encode("latin-1")
    )
    with pytest.raises(UnreadableDataset, match=r"metadata.csv cannot be read .*; save it as text in UTF-8"):
        open_pairs(tmp_path)


@pytest.mark.parametrize(
    "named",
    [
        lambda name: name,
        lambda name: [name],
        lambda name: {"path": name, "bytes": None},
        lambda name: f".\\{name}",
        lambda name: f"./{name}",
    ],
)
def test_a_picture_is_found_by_a_plain_path_in_a_list_or_as_windows_writes_it(tmp_path, named):
    original, edited, said = PAIRS[0]
    (tmp_path / "e\u0301").mkdir()
    (tmp_path / "e\u0301" / "a.png").write_bytes(original)
    (tmp_path / "e\u0301" / "b.png").write_bytes(edited)
    line = {"input_image": named("\u00e9/a.png"), "edited_image": named("\u00e9\\b.png"), "edit_prompt": said}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line))
    assert triples(tmp_path) == [PAIRS[0]]


def test_pictures_are_found_through_the_links_of_a_cache(tmp_path):
    write_imagefolder(tmp_path / "first", CONVENTIONS[1], PAIRS)
    snapshot, blobs = tmp_path / "hub" / "snapshots" / "0a", tmp_path / "hub" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted((tmp_path / "first").iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    (tmp_path / "hub" / "here").symlink_to("snapshots/0a")
    (snapshot / "ring").symlink_to(".")
    assert triples(snapshot) == triples(tmp_path / "hub" / "here") == PAIRS


def test_what_systems_leave_behind_is_no_data(tmp_path):
    write_tar(tmp_path / "data", CONVENTIONS[1], PAIRS)
    (tmp_path / "data" / "._00.tar").write_bytes(b"\0\5\x16\7" + bytes(5000))
    with tarfile.open(tmp_path / "data" / "00.tar", "a") as tar:
        member = tarfile.TarInfo("._00000.input_image.png")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"\0\5\x16\7"))
    assert triples(tmp_path / "data") == PAIRS


def test_files_of_another_form_are_told(tmp_path, caplog):
    write_tar(tmp_path / "data", CONVENTIONS[1], PAIRS)
    write_imagefolder(tmp_path / "data" / "more", CONVENTIONS[1], PAIRS)
    (tmp_path / "data" / "more" / "metadata.csv").write_text("a,b\n")
    assert len(read_pairs(tmp_path / "data")) == 3
    assert "left out 2 files of other forms" in caplog.text


def test_an_instruction_that_is_no_text_is_counted(tmp_path):
    original, edited, _ = PAIRS[0]
    write_imagefolder(tmp_path / "data", CONVENTIONS[1], [PAIRS[0], (original, edited, "half \ud83d")])
    assert read_pairs(tmp_path / "data").skipped == {NO_TEXT: 1}


def test_a_column_of_pictures_that_is_damaged_is_counted(tmp_path):
    folder = tmp_path / "data"
    write_parquet(folder, CONVENTIONS[0], [content(number, side=200) for number in range(2)])
    (file,) = folder.rglob("*.parquet")
    whole = file.read_bytes()
    place = whole.index(b"\x89PNG")  # the first picture, with its length of four bytes before it
    file.write_bytes(whole[: place - 4] + b"\xff\xff\xff\x7f" + whole[place:])
    with pytest.raises(UnusableData, match=f"no usable pair .*{NO_PICTURE}"):
        read_pairs(folder)
