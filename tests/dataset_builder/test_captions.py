"""Prompts come once each, from wherever they are; what is left out is counted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dataset_builder.errors import InvalidJob
from dataset_builder.write.captions import PromptSource, read_prompts

SOURCE = PromptSource(prompts="scenes", column="caption", split="train", num=None, world="offline", seed=0)
LINES = ["a cat", "", "A cat.", "  a  dog ", "a dog" * 100, "a bird", "a cat"]


def test_a_text_file_is_read_once_each_and_the_rest_is_counted(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8-sig")
    found = read_prompts(replace(SOURCE, prompts=str(path)))
    assert found.texts == ("a cat", "a dog", "a bird")
    assert found.dropped == {"duplicate": 2, "empty": 1, "too_long": 1}
    assert read_prompts(replace(SOURCE, prompts=str(path), num=2)).texts == ("a cat", "a dog")


def test_a_jsonl_file_gives_the_column(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps({"id": 1, "text": line}) for line in [*LINES, None, 3]))
    found = read_prompts(replace(SOURCE, prompts=str(path), column="text"))
    assert found.texts == ("a cat", "a dog", "a bird")
    assert found.dropped["empty"] == 3
    with pytest.raises(InvalidJob, match=r"column is 'caption'.*id, text"):
        read_prompts(replace(SOURCE, prompts=str(path)))


def test_a_dataset_gives_the_column(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"id": list(range(len(LINES))), "text": LINES})
    rows.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    source = replace(SOURCE, prompts=str(tmp_path / "data"), column="text")
    assert read_prompts(source).texts == ("a cat", "a dog", "a bird")
    with pytest.raises(InvalidJob, match=r"column is 'caption'.*id, text"):
        read_prompts(replace(source, column="caption"))
    with pytest.raises(InvalidJob, match="split 'test'"):
        read_prompts(replace(source, split="test"))


def test_scenes_give_so_many_distinct_captions():
    found = read_prompts(replace(SOURCE, num=30))
    assert len(set(found.texts)) == len(found.scene_seeds) == 30
    assert read_prompts(replace(SOURCE, num=12)).texts == found.texts[:12]
    assert read_prompts(replace(SOURCE, num=12, seed=1)).texts != found.texts[:12]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "none.txt cannot be read"),
        ("none.jsonl", None, "none.jsonl cannot be read"),
        ("empty.txt", b"", "holds no prompt"),
        ("blank.txt", b"\n \n", "holds no prompt .*empty"),
        ("latin.txt", b"caf\xe9", "UTF-8"),
        ("odd.jsonl", b'{"caption": "a"}\nnonsense\n', "line 2 .* no JSON"),
        ("list.jsonl", b"[1]\n", "line 1 .* no JSON object"),
    ],
)
def test_a_file_without_prompts_is_one_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidJob, match=message) as caught:
        read_prompts(replace(SOURCE, prompts=str(tmp_path / name)))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_name_that_is_nothing_is_one_sentence(tmp_path):
    pytest.importorskip("datasets")
    with pytest.raises(InvalidJob, match="neither 'scenes' nor a file") as caught:
        read_prompts(replace(SOURCE, prompts=str(tmp_path / "nowhere")))
    assert "\n" not in str(caught.value)


def test_the_hash_of_a_file_is_that_of_its_content(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("a cat")
    two.write_text("a cat")
    configs = [replace(SOURCE, prompts=str(path)).config() for path in (one, two)]
    assert configs[0] == configs[1]
    two.write_text("a dog")
    assert replace(SOURCE, prompts=str(two)).config() != configs[0]
