"""A job that is killed at ten random moments ends in the bytes of an undisturbed one; so do all executors."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dataset_builder.render_toys import write_triplets

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NUM = 200
KILLS = 10
DRIVER = """
import json, resource, sys
from pathlib import Path
from dataset_builder.render.filter_pairs import FilterJob, filter_pairs
from dataset_builder.render.render import render_pairs
from tests.dataset_builder.render_toys import open_toys, toy_job

folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
job = toy_job(folder, sources=1, triplets_per_shard=5, num_inference_steps=1, **options)
peaks = []
for _ in render_pairs(job, open_tools=open_toys):
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
jobs = options["jobs"]
for _ in filter_pairs(FilterJob(rendered=job.out, out=folder / "pairs", preset="none", keep=1, jobs=jobs)):
    pass
print(json.dumps(peaks))
"""


def start(folder: Path, options: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    if not (folder / "triplets.jsonl").exists():
        write_triplets(folder / "triplets.jsonl", NUM)
    with (folder.parent / "said.txt").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,
        )


def finish(folder: Path, options: str) -> str:
    process = start(folder, options)
    said, _ = process.communicate(timeout=3000)
    assert process.returncode == 0, (folder.parent / "said.txt").read_text()
    return said


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".lock")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[int]]:
    """The bytes of a whole run, and the memory in use after each of its shards."""
    folder = tmp_path_factory.mktemp("undisturbed") / "job"
    said = finish(folder, '{"executor": "serial", "jobs": 1}')
    return content(folder), json.loads(said)


def test_ten_kills_change_no_byte(tmp_path: Path, undisturbed: tuple[dict[str, bytes], list[int]]) -> None:
    whole, _ = undisturbed
    moments = random.Random(0)
    shards = NUM // 5
    for kill in range(KILLS):
        options = f'{{"jobs": {1 + kill % 2}}}'
        process = start(tmp_path / "job", options)
        wanted = (kill + 1) * shards // (KILLS + 1)
        deadline = time.monotonic() + 300
        while (
            len(list((tmp_path / "job").glob("rendered/rendered-*.json"))) < wanted
            and time.monotonic() < deadline
            and process.poll() is None
        ):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.3))
        assert process.poll() is None, (tmp_path / "said.txt").read_text()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    finish(tmp_path / "job", '{"jobs": 1}')
    assert content(tmp_path / "job") == whole


@pytest.mark.parametrize("options", ['{"jobs": 2}', '{"executor": "ray", "jobs": 2}'])
def test_every_executor_makes_the_same_bytes(
    tmp_path: Path, undisturbed: tuple[dict[str, bytes], list[int]], options: str
) -> None:
    if "ray" in options:
        pytest.importorskip("ray")
    finish(tmp_path / "job", options)
    assert content(tmp_path / "job") == undisturbed[0]


def test_memory_does_not_grow_with_the_samples(undisturbed: tuple[dict[str, bytes], list[int]]) -> None:
    _, peaks = undisturbed
    assert peaks[-1] <= 1.2 * peaks[len(peaks) // 10]
