"""Rendered pairs follow from the configuration alone, are counted to the last one, and train as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageOps

from dataset_builder.errors import ConfigChanged, InvalidJob
from dataset_builder.render.plan import RenderJob, planned_edits
from dataset_builder.render.render import render_pairs
from dataset_builder.render.tools import RenderTools, fingerprint
from dataset_builder.render.triplets import read_triplets
from dataset_builder.shards.dataset import read_dataset, verify_dataset
from dataset_builder.shards.shards import ShardReport
from tests import tiny
from tests.dataset_builder.render_toys import open_toys, toy_job, write_triplets
from trainer.data.examples import read_examples


def render(job: RenderJob) -> list[ShardReport]:
    return list(render_pairs(job, open_tools=open_toys))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def no_tools(job: RenderJob) -> RenderTools:
    raise AssertionError("a finished job needs no model")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> RenderJob:
    """A finished job: 6 triplets, 2 originals of each, 2 edits of each original."""
    job = toy_job(tmp_path_factory.mktemp("rendered"))
    render(job)
    return job


def samples(job: RenderJob) -> list[dict[str, Any]]:
    return list(read_dataset(job.out).samples())


def test_every_triplet_gets_all_its_pairs_with_their_draws_and_scores(rendered: RenderJob) -> None:
    found = samples(rendered)
    assert [one["__key__"] for one in found[:5]] == [
        "00000000-000",
        "00000000-001",
        "00000000-002",
        "00000000-003",
        "00000001-000",
    ]
    assert len(found) == 6 * 4
    rows = {row.id: row for row in read_triplets(rendered.triplets)}
    for one in found:
        assert one["edit_prompt"] == rows[one["triplet"]].triplet.edit_prompt
        assert one["kind"] == "swap" and one["recipe"] == "instruct_pix2pix"
        assert 0.1 <= one["self_replace_steps"] <= 0.9
        assert set(one["scores"]) == {"image_image", "original_image_text", "edited_image_text", "direction"}


def test_pairs_of_one_original_share_it_and_differ_in_p(rendered: RenderJob) -> None:
    found = samples(rendered)
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert first["seed"] == second["seed"]
        assert np.array_equal(first["original_image"], second["original_image"])
        assert first["self_replace_steps"] < second["self_replace_steps"]
    assert len({one["seed"] for one in found}) == 12


def test_draws_do_not_depend_on_what_else_is_drawn(rendered: RenderJob) -> None:
    rows = read_triplets(rendered.triplets)
    fewer = replace(rendered, sources=1, triplets_per_shard=5, batch_size=1)
    for row in rows[:2]:
        assert planned_edits(fewer, row, 1) == planned_edits(rendered, row, 1)
    other = [edit.seed for _, edit in planned_edits(replace(rendered, seed=1), rows[0], 0)]
    assert other != [edit.seed for _, edit in planned_edits(rendered, rows[0], 0)]


def test_p_is_uniform_over_its_range(tmp_path: Path) -> None:
    job = toy_job(tmp_path, sources=200, samples_per_source=3, p=(0.2, 0.6))
    row = read_triplets(job.triplets)[0]
    drawn: list[Any] = [edit.self_replace_steps for n in range(200) for _, edit in planned_edits(job, row, n)]
    shares, _ = np.histogram(drawn, bins=4, range=(0.2, 0.6))
    assert shares.sum() == 600 and shares.min() > 120


def test_the_papers_recipe_draws_both_windows(tmp_path: Path) -> None:
    job = toy_job(tmp_path, recipe="paper", guidance_scale=(3.0, 6.0))
    edits = [edit for _, edit in planned_edits(job, read_triplets(job.triplets)[0], 0)]
    assert all(
        edit.recipe == "paper" and edit.cross_replace_steps != edit.self_replace_steps for edit in edits
    )
    assert len({edit.guidance_scale for edit in edits}) == 1
    assert all(edit.guidance_scale is not None and 3 <= edit.guidance_scale <= 6 for edit in edits)


def test_processes_render_the_bytes_of_one(tmp_path: Path, rendered: RenderJob) -> None:
    render(replace(rendered, out=tmp_path / "two", jobs=2))
    assert content(tmp_path / "two") == content(rendered.out)


def test_a_finished_job_loads_no_model(rendered: RenderJob) -> None:
    before = content(rendered.out)
    reports = list(render_pairs(rendered, open_tools=no_tools))
    assert not any(report.drawn for report in reports)
    assert content(rendered.out) == before


def test_rendered_pairs_train_as_they_are(rendered: RenderJob) -> None:
    examples = read_examples(
        rendered.out, pictures=("original_image", "edited_image"), texts=("edit_prompt",)
    )
    assert len(examples) == 24


def test_a_triplet_the_model_cannot_read_is_counted_and_the_others_are_drawn(
    tmp_path: Path, rendered: RenderJob
) -> None:
    path = write_triplets(tmp_path / "triplets.jsonl", num=2)
    endless = {"original_prompt": "a cat", "edit_prompt": "go on", "edited_prompt": "a dog " * 400}
    path.write_text(path.read_text() + json.dumps(endless) + "\n")
    reports = render(toy_job(tmp_path, triplets_per_shard=3, max_error_rate=0.5))
    (report,) = reports
    assert report.count == 8 and sum(report.rejects.values()) == 4
    (reason,) = report.rejects
    assert reason.startswith("undrawable ")
    assert [one["__key__"] for one in samples(toy_job(tmp_path))] == [
        one["__key__"] for one in samples(rendered)[:8]
    ]


def test_a_triplet_of_which_enough_pairs_pass_is_drawn_no_further(
    tmp_path: Path, rendered: RenderJob
) -> None:
    reports = render(toy_job(tmp_path, enough=2))
    assert sum(report.count for report in reports) == 6 * 2
    assert all(report.rejects == {"enough_passed": 4} for report in reports)
    first = {one["__key__"] for one in samples(rendered) if one["__key__"].endswith(("000", "001"))}
    assert {one["__key__"] for one in samples(toy_job(tmp_path))} == first


def test_a_changed_configuration_is_refused_naming_both_hashes(rendered: RenderJob) -> None:
    old = read_dataset(rendered.out).config_hash
    with pytest.raises(ConfigChanged, match="seed was 0, is 1") as caught:
        render(replace(rendered, seed=1))
    assert old[:12] in str(caught.value)


def test_one_flipped_byte_is_found_and_mended(tmp_path: Path, rendered: RenderJob) -> None:
    job = toy_job(tmp_path)
    render(job)
    assert content(job.out) == content(rendered.out)
    path = job.out / "rendered-00001.tar"
    damaged = bytearray(path.read_bytes())
    damaged[900] ^= 1
    path.write_bytes(damaged)
    assert [check.name for check in verify_dataset(job.out, discard=True) if check.problem] == [
        "rendered-00001"
    ]
    render(job)
    assert content(job.out) == content(rendered.out)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "is empty"),
        ("{", "line 1 .* is no JSON"),
        pytest.param(9999 * "[", "line 1 .* is no JSON", id="deep"),
        ("[1]", "line 1 .* is no JSON object"),
        ('{"input": "a cat", "edit": "x"}', "line 1 .*edited_prompt is None"),
        (
            '{"id":1,"input":"a","edit":"b","output":"c"}\n{"id":1,"input":"a","edit":"b","output":"c"}',
            "its own",
        ),
    ],
)
def test_bad_triplets_are_one_sentence(tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "triplets.jsonl").write_text(line)
    with pytest.raises(InvalidJob, match=sentence):
        render(toy_job(tmp_path))
    assert not (tmp_path / "rendered").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p": (0.9, 0.1)}, "p is .* must rise within 0 to 1"),
        ({"p": (0.1,)}, "p is .* two numbers"),
        ({"guidance_scale": (3.0, 300.0)}, "guidance_scale is .* within 0 to 100"),
        ({"recipe": "other"}, "recipe: 'other' is not allowed"),
        ({"sources": 0}, "sources: 0 is not allowed"),
        ({"preset": "mine"}, "preset: 'mine' is not allowed"),
        ({"enough": 2, "scorer": "none"}, "enough needs scores"),
    ],
)
def test_a_bad_job_is_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidJob, match=sentence):
        toy_job(tmp_path, **changes)


def test_published_triplets_are_read_by_their_own_names(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    path.write_text(
        '{"caption":"a cat","edit":"make it a dog","output":"a dog","url":"x"}\n'
        '{"input":"a cat","edit":"make it a dog","output":"a dog"}\n'
    )
    first, second = read_triplets(path)
    assert first.triplet == second.triplet and (first.id, second.id) == ("1", "2")


def test_a_fingerprint_follows_the_weights_and_not_their_place(tmp_path: Path) -> None:
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "unet" / "model.safetensors").write_bytes(weights)
        (tmp_path / name / "README.md").write_text(name)
    a, b, c = (fingerprint(name, tmp_path / name) for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("part", ["model", "scorer"])
def test_weights_that_are_not_there_are_one_sentence_before_anything_is_written(
    tmp_path: Path, part: str
) -> None:
    with pytest.raises(InvalidJob, match=r"there is no file or folder .*nowhere"):
        render(toy_job(tmp_path, **{part: str(tmp_path / "nowhere")}))
    assert not (tmp_path / "rendered").exists()


def test_photos_are_edited_at_one_size_and_their_content_is_part_of_the_job(tmp_path: Path) -> None:
    tiny.photo((61, 83)).save(tmp_path / "photo.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    line = {"original_prompt": "a cat", "edit_prompt": "make it a dog", "edited_prompt": "a dog"}
    lines = [{**line, "original_image": name} for name in ("photo.png", "broken.png")] + [line]
    (tmp_path / "triplets.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InvalidJob, match="size is None, but the triplets name photos"):
        render(toy_job(tmp_path))
    job = toy_job(tmp_path, size=32, sources=1, triplets_per_shard=3, max_error_rate=0.5)
    (report,) = render(job)
    assert (report.count, dict(report.rejects)) == (4, {"undrawable InvalidEdit": 2})
    found = samples(job)
    assert [one["original_image"].shape for one in found] == [(32, 32, 3)] * 4
    photo = np.asarray(ImageOps.fit(tiny.photo((61, 83)), (32, 32)))
    assert np.array_equal(found[0]["original_image"], photo)
    assert not np.array_equal(found[2]["original_image"], photo)
    tiny.photo((61, 83), seed=1).save(tmp_path / "photo.png")
    with pytest.raises(ConfigChanged, match="triplets was"):
        render(job)
