"""Shards come out the same bytes whoever drew them and however often they were interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dataset_builder.errors import ConfigChanged, FolderBusy, StorageFailed, UnreadableDataset, WorkerLost
from dataset_builder.shards.build import build_shards
from dataset_builder.shards.dataset import read_dataset, verify_dataset
from dataset_builder.shards.shards import Sample, ShardReport, png_bytes
from dataset_builder.shards.storage import locked
from tests.processes import heed_ctrl_c

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds after which a test gives up on what should have ended long ago, however busy the machine."""


@dataclass(frozen=True)
class ToyDraw:
    """Noise pictures; every seventh is left out.

    At sample `halt` it stays until somebody ends it; `fault` names a file of trouble.
    """

    halt: int | None = None
    fault: Path | None = None

    def __call__(self, number: int) -> Sample | str:
        if number == self.halt:
            time.sleep(PATIENCE)
        if self.fault is not None and self.fault.suffix == ".rotten":
            raise ValueError("rotten")
        if self.fault is not None and number == 11:
            if self.fault.suffix == ".raise":
                raise ValueError("eleven")
            if self.fault.suffix == ".always" or self.fault.exists():
                self.fault.unlink(missing_ok=True)
                os.kill(os.getpid(), signal.SIGKILL)
        if number % 7 == 6:
            return "seventh"
        picture = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        words = f'{{"caption":"picture {number} — ünïcode"}}'.encode()
        return Sample(key=f"{number:08d}", parts={"image.png": png_bytes(picture), "json": words})


def build(folder: Path, *, num: int = 40, jobs: int = 1, draw: ToyDraw | None = None) -> list[ShardReport]:
    steps = build_shards(
        folder, config={"num": num}, draw=draw or ToyDraw(), num=num, samples_per_shard=5, jobs=jobs
    )
    return list(steps)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    build(folder)
    return content(folder)


def test_processes_write_the_bytes_of_one(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    build(tmp_path, jobs=3)
    assert content(tmp_path) == undisturbed


def start(folder: Path, *, jobs: int, shards: int, halt: int) -> subprocess.Popen[str]:
    """Start a run that halts, in a process group of its own; return when it has published some shards."""
    code = (
        "from pathlib import Path; import sys\n"
        "from tests.dataset_builder.test_build import ToyDraw, build\n"
        f"build(Path(sys.argv[1]), jobs={jobs}, draw=ToyDraw(halt={halt}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while len(list(folder.glob("scenes-*.json"))) < shards and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def test_killed_runs_end_in_the_same_bytes(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    for jobs, shards, halt in ((1, 1, 7), (2, 3, 22), (1, 6, 37)):
        process = start(tmp_path, jobs=jobs, shards=shards, halt=halt)
        process.kill()
        # Standard error closes with the last worker: workers do not outlive their parent.
        process.communicate(timeout=PATIENCE / 2)
        assert content(tmp_path) != undisturbed
    build(tmp_path, jobs=2)
    assert content(tmp_path) == undisturbed


def test_ctrl_c_ends_all_workers_at_once(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    process = start(tmp_path, jobs=2, shards=1, halt=17)
    os.killpg(process.pid, signal.SIGINT)
    # Standard error closes with the last worker: none goes on alone, none prints a traceback of its own.
    _, said = process.communicate(timeout=PATIENCE / 2)
    assert said.count("KeyboardInterrupt") == 1
    build(tmp_path)
    assert content(tmp_path) == undisturbed


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    # A kill between the tar and its manifest, and one in the middle of a tar.
    (tmp_path / "scenes-00000.tar").write_bytes(b"half")
    (tmp_path / "scenes-00001.tar.tmp-abc").write_bytes(b"half")
    build(tmp_path)
    assert content(tmp_path) == undisturbed


def test_a_stopped_run_goes_on(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    steps = build_shards(
        tmp_path, config={"num": 40}, draw=ToyDraw(halt=32), num=40, samples_per_shard=5, jobs=2
    )
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    # The shard that halts was not waited for: it is not there.
    with pytest.raises(UnreadableDataset, match="not finished"):
        read_dataset(tmp_path)
    reports = build(tmp_path)
    assert not reports[0].drawn and reports[-1].drawn
    assert content(tmp_path) == undisturbed


def test_a_finished_job_does_nothing(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    build(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    # Any drawing would raise.
    reports = build(tmp_path, draw=ToyDraw(fault=tmp_path / "any.rotten"))
    assert not any(report.drawn for report in reports)
    assert times == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_one_lost_manifest_redraws_one_shard(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    build(tmp_path)
    (tmp_path / "scenes-00003.json").unlink()
    assert [report.name for report in build(tmp_path) if report.drawn] == ["scenes-00003"]
    assert content(tmp_path) == undisturbed


@pytest.mark.parametrize("position", [0, 700, -2000])
def test_one_flipped_byte_is_found_and_mended(
    tmp_path: Path, undisturbed: dict[str, bytes], position: int
) -> None:
    build(tmp_path)
    path = tmp_path / "scenes-00002.tar"
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    found = [check.name for check in verify_dataset(tmp_path, discard=True) if check.problem]
    assert found == ["scenes-00002"]
    build(tmp_path)
    assert all(check.problem is None for check in verify_dataset(tmp_path))
    assert content(tmp_path) == undisturbed


def test_a_changed_configuration_is_refused_naming_both_hashes(tmp_path: Path) -> None:
    build(tmp_path)
    before = content(tmp_path)
    old = read_dataset(tmp_path).config_hash
    with pytest.raises(ConfigChanged, match="num was 40, is 41") as caught:
        build(tmp_path, num=41)
    assert old[:12] in str(caught.value)
    assert content(tmp_path) == before


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(FolderBusy, match="another run"):
        build(tmp_path)
    assert len(build(tmp_path)) == 8


def test_a_killed_worker_is_replaced(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    fault = tmp_path / "kill.once"
    fault.touch()
    build(tmp_path / "out", jobs=2, draw=ToyDraw(fault=fault))
    assert content(tmp_path / "out") == undisturbed


def test_workers_that_always_die_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(WorkerLost, match="fewer jobs"):
        build(tmp_path, num=20, jobs=2, draw=ToyDraw(fault=tmp_path / "kill.always"))


def test_one_odd_sample_is_counted_and_the_job_finishes(tmp_path: Path) -> None:
    reports = build(tmp_path, draw=ToyDraw(fault=tmp_path / "any.raise"))
    assert [report.rejects.get("fault ValueError", 0) for report in reports] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert all(report.count + sum(report.rejects.values()) == 5 for report in reports)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_draw_ends_the_run_and_nothing_half_written_stays(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(ValueError, match="rotten") as caught:
        build(tmp_path, jobs=jobs, draw=ToyDraw(fault=tmp_path / "any.rotten"))
    assert "while drawing sample" in "".join(caught.value.__notes__)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "dataset.json"]


def test_counts_and_rejects_add_up(tmp_path: Path) -> None:
    for report in build(tmp_path):
        assert report.count + sum(report.rejects.values()) == report.stop - report.start
    info = read_dataset(tmp_path)
    samples = list(info.samples())
    assert info.num_samples == len(samples) == 40 - 5
    assert len({sample["__key__"] for sample in samples}) == len(samples)


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageFailed, match="choose another folder"):
        build(tmp_path / "out")
