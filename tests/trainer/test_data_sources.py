"""Laws: every convention gives the same triples for the same content; a row is a pair or a counted reason."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from dataset_builder.shards import png_bytes
from tests.trainer import toy
from trainer.data_pairs import OTHER_SHAPE, UNREADABLE, decode, read_pairs
from trainer.data_sources import CONVENTIONS, NO_INSTRUCTION, NO_PICTURE, PairRef, open_pairs
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
    with pytest.raises(UnusableData, match=r"found: before, say.*source_img, target_img, instruction"):
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
        with pytest.raises(UnusableData, match=r"^data: .*; .*\.$"):
            open_pairs(folder)
