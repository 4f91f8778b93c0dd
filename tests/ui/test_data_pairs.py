"""`wordbrush data render` and what follows: whole runs on a toy model, mistakes in one sentence, code 1."""

import json
from functools import partial
from pathlib import Path

import pytest

from dataset_builder.build_job import build_dataset
from dataset_builder.render.plan import RenderJob
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.fill import Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, png_bytes
from dataset_builder.shards.storage import locked
from tests import tiny
from tests.dataset_builder.render_toys import open_toys, write_triplets
from tests.dataset_builder.test_build_job import JOB
from ui.cli import main
from ui.commands import data_pairs
from ui.options import flags


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    tiny.pipeline(kind="base").save_pretrained(folder)
    return str(folder)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_triplets(tmp_path / "triplets.jsonl", num=2)
    return tmp_path


def render(model, *more):
    few = ["--sources", "1", "--samples-per-source", "2", "--num-inference-steps", "1", "--jobs", "1"]
    place = ["data", "render", "triplets.jsonl", "--out", "rendered", "--model", model, "--scorer", "none"]
    return main([*place, *few, *more])


def one_line(capsys):
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_render_again_draws_nothing_and_changes_are_refused(here, model, capsys):
    assert render(model, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "out": "rendered",
        "samples": 4,
        "drawn_now": 4,
        "rejects": {},
    }
    assert render(model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["drawn_now"] == 0
    assert render(model, "--seed", "1") == 1
    line = one_line(capsys)
    assert read_dataset("rendered").config_hash[:12] in line and "seed was 0, is 1" in line
    with locked(here / "rendered"):
        assert render(model) == 1
    assert "another run is writing" in one_line(capsys)
    assert main(["data", "filter", "rendered", "--out", "other", "--preset", "code"]) == 1
    assert "without scores" in one_line(capsys)
    assert main(["data", "filter", "rendered", "--out", "pairs", "--preset", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 4
    assert main(["data", "stats", "pairs"]) == 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "nowhere"], "model is 'nowhere', but there is no file or folder"),
        (["--scorer", "./nowhere"], "scorer is './nowhere', but there is no file or folder"),
        (["--p", "0.9,0.1"], "p is"),
        (["--part", "4/4"], "part is '4/4'"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(here, model, capsys, more, sentence):
    assert render(model, *more) == 1
    assert sentence in one_line(capsys)
    assert not (here / "rendered").exists()


def test_empty_triplets_are_one_sentence(here, model, capsys):
    (here / "triplets.jsonl").write_text("\n")
    assert render(model) == 1
    assert "triplets.jsonl is empty" in one_line(capsys)


def test_slurm_prints_a_script_of_the_same_job(here, model, capsys):
    assert render(model, "--executor", "slurm", "--jobs", "3", "--p", "0.2,0.8") == 0
    script = capsys.readouterr().out
    assert "#SBATCH --array=0-2\n" in script and "--p 0.2,0.8" in script
    assert script.rstrip().endswith('--jobs 1 --part "$SLURM_ARRAY_TASK_ID"/3')
    assert not (here / "rendered").exists()


def test_build_makes_all_stages_and_says_what_a_kept_pair_cost(here, capsys, monkeypatch):
    monkeypatch.setattr(data_pairs, "build_dataset", partial(build_dataset, open_tools=open_toys))
    (here / "job.toml").write_text(JOB)
    assert main(["data", "build", "--config", "job.toml", "--out", "elsewhere", "--jobs", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["filter"]["samples"] == said["write"]["triplets"]
    assert said["cost_of_a_kept_pair"]["rendered"] == 2.0
    assert main(["data", "stats", "elsewhere", "--report", "page.png", "--grid", "kept.png"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "page.png\nkept.png\n"
    assert f"prompts {said['write']['prompts']}" in " ".join(shown.err.split())
    (cost,) = [line for line in shown.err.splitlines() if line.startswith("rendered per kept pair")]
    assert cost.split()[-1] == "2.0"
    assert main(["data", "build", "--config", "nowhere.toml"]) == 1
    assert "nowhere.toml cannot be read" in one_line(capsys)


def test_flags_say_what_is_no_default():
    job = RenderJob(triplets=Path("t"), out=Path("o"), p=(0.2, 0.8), enough=3, recipe="paper")
    said = flags(job, ("triplets", "out"))
    assert said == ["--recipe", "paper", "--p", "0.2,0.8", "--enough", "3"]


def test_export_and_stats_of_a_folder_of_nothing_are_one_sentence(here, capsys):
    for command in (["export", ".", "--out", "out"], ["stats", "."], ["browse", "."]):
        assert main(["data", *command]) == 1
        assert len(one_line(capsys)) > 20
    assert not (here / "out").exists()


def test_export_writes_tars_and_says_how_many(here, capsys):
    parts = {f"{name}_image.png": png_bytes(tiny_picture()) for name in ("original", "edited")}
    words = {"original_prompt": "a", "edit_prompt": "b", "edited_prompt": "c"}
    sample = Sample(key="a", parts={**parts, "json": json.dumps(words).encode()})
    for _ in fill_folder(
        here / "pairs",
        config={},
        specs=cut({}, 1, 1, prefix="pairs"),
        fill=lambda spec: lambda: [sample],
        running=Running(executor="serial"),
    ):
        pass
    assert main(["data", "export", "pairs", "--out", "out", "--to", "webdataset", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": "out", "count": 1, "left_out": {}, "files": 1}
    assert main(["data", "export", "pairs", "--out", "out"]) == 1
    assert "not empty" in one_line(capsys)


def tiny_picture():
    import numpy as np

    return np.asarray(tiny.photo())
