"""One file makes the whole dataset, goes on where it was, and says which key it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_builder.build_job import StageReport, build_dataset, read_build_job, with_jobs
from dataset_builder.errors import InvalidJob
from dataset_builder.render.plan import RenderJob
from dataset_builder.render.tools import RenderTools
from dataset_builder.shards.dataset import read_dataset
from tests.dataset_builder.render_toys import open_toys

JOB = """
out = "made"
[write]
world = "offline"
num = 4
[render]
model = "toy/model"
scorer = "toy/scorer"
sources = 1
samples_per_source = 2
num_inference_steps = 1
p = [0.2, 0.8]
executor = "serial"
[filter]
preset = "none"
keep = 1
jobs = 1
[export]
to = "webdataset"
"""


def no_tools(job: RenderJob) -> RenderTools:
    raise AssertionError("a finished job needs no model")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_file_makes_a_dataset_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(JOB)
    job = read_build_job(tmp_path / "job.toml")
    assert job.render.p == (0.2, 0.8) and job.filter.out == tmp_path / "made" / "pairs"
    reports = list(build_dataset(job, open_tools=open_toys))
    facts = {report.stage: report.facts for report in reports if report.facts is not None}
    assert list(facts) == ["write", "render", "filter", "export"]
    triplets = facts["write"]["triplets"]
    assert read_dataset(job.filter.out).num_samples == triplets > 0
    before = content(tmp_path)
    again = list(build_dataset(read_build_job(tmp_path / "job.toml"), open_tools=no_tools))
    assert isinstance(again[-1], StageReport) and again[-1].facts == {"count": 0}
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("keep = 1", "keeep = 1", r"'keeep' in \[filter\]"),
        ("[filter]", "[filters]", "'filters'"),
        ("num = 4", 'out = "elsewhere"', r"'out' in \[write\]"),
        ("keep = 1", "keep = 0", "keep: 0 is not allowed"),
        ("p = [0.2, 0.8]", "p = 3", "p is 3"),
        ('out = "made"', "", "has no out"),
        ('out = "made"', "out = ", "cannot be read"),
    ],
)
def test_what_a_job_file_may_not_say_is_one_sentence(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    (tmp_path / "job.toml").write_text(JOB.replace(old, new, 1))
    with pytest.raises(InvalidJob, match=sentence):
        read_build_job(tmp_path / "job.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["job.toml"]


def test_folder_and_jobs_may_be_named_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(JOB)
    job = with_jobs(read_build_job(tmp_path / "job.toml", out=tmp_path / "other"), 2)
    assert job.folders["export"] == tmp_path / "other" / "export"
    assert job.render.jobs == job.filter.jobs == 2
