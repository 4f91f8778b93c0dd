"""A folder may be filled in parts, under any executor, and a full disk or too many failures lose nothing."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.errors import FolderBusy, InvalidJob, TooManyErrors, UnreadableDataset
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.fill import Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, ShardReport, ShardSpec
from dataset_builder.shards.slurm import array_script
from dataset_builder.shards.storage import locked

ROOT = Path(__file__).parents[2]
NUM = 23


@dataclass(frozen=True)
class Letters:
    """Draws a shard of letters; `failing` samples of each fail."""

    spec: ShardSpec
    failing: int = 0

    def __call__(self) -> Iterator[Sample | str]:
        for number in range(self.spec.start, self.spec.stop):
            if number - self.spec.start < self.failing:
                yield "fault ValueError"
            else:
                yield Sample(key=f"{number:04d}", parts={"json": b'{"a":"%d"}' % number})


def fill(folder: Path, *, failing: int = 0, **running: Any) -> list[ShardReport]:
    config = {"num": NUM}
    return list(
        fill_folder(
            folder,
            config=config,
            specs=cut(config, NUM, 4, prefix="letters"),
            fill=lambda spec: partial(Letters(spec, failing)),
            running=Running(**{"jobs": 1, **running}),
            beside={"paper.txt": b"all of it"},
        )
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".lock")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    fill(folder, executor="serial")
    return content(folder)


def test_parts_add_up_to_the_whole_in_any_order(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for part in ("2/3", "0/3"):
        fill(tmp_path, part=part)
        with pytest.raises(UnreadableDataset, match="not finished"):
            read_dataset(tmp_path)
    fill(tmp_path, part="1/3")
    assert content(tmp_path) == whole
    assert not any(report.drawn for report in fill(tmp_path))


def test_a_part_leaves_the_files_of_others_alone(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "letters-00000.tar.tmp-1", tmp_path / "letters-00001.tar.tmp-1"
    for path in (theirs, ours):
        path.write_bytes(b"half")
    fill(tmp_path, part="1/3")
    assert theirs.exists() and not ours.exists()


def test_parts_run_beside_each_other_but_not_beside_the_whole_or_themselves(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True), locked(tmp_path, name=".lock-0-of-2"):
        fill(tmp_path, part="1/2")
        with pytest.raises(FolderBusy):
            fill(tmp_path, part="0/2")
        with pytest.raises(FolderBusy):
            fill(tmp_path)


@pytest.mark.parametrize("part", ["3/3", "1", "a/b", "-1/2", "1/0"])
def test_a_part_that_does_not_exist_is_one_sentence(part: str) -> None:
    with pytest.raises(InvalidJob, match="part is"):
        Running(part=part)


def test_slurm_starts_nothing_itself(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match="submit the script"):
        fill(tmp_path, executor="slurm")


def test_the_tasks_of_an_array_make_the_whole(tmp_path: Path, whole: dict[str, bytes]) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.dataset_builder.test_fill import fill\n"
        "fill(Path(sys.argv[1]), part=sys.argv[sys.argv.index('--part') + 1])"
    )
    script = tmp_path / "array.sh"
    folder = tmp_path / "a folder"
    script.write_text(array_script([sys.executable, "-c", code, str(folder)], tasks=2, name="letters"))
    assert "#SBATCH --array=0-1\n" in script.read_text()
    for task in ("0", "1"):
        environment = {"SLURM_ARRAY_TASK_ID": task, "PATH": "/usr/bin:/bin"}
        subprocess.run(["bash", str(script)], cwd=ROOT, env=environment, check=True, timeout=120)
    assert content(folder) == whole


def test_more_failures_than_accepted_end_the_run_and_what_was_drawn_stays(tmp_path: Path) -> None:
    with pytest.raises(TooManyErrors, match=r"fault ValueError .*max_error_rate 0\.1"):
        fill(tmp_path, failing=1, max_error_rate=0.1)
    assert (tmp_path / "letters-00000.json").exists()
    reports = fill(tmp_path, failing=1, max_error_rate=0.3)
    assert not reports[0].drawn and sum(report.rejects["fault ValueError"] for report in reports) == 6


def limit_files(size: int) -> None:
    """Make every file that grows beyond a size fail, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 100, 400, 10_000])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_space(
    tmp_path: Path, whole: dict[str, bytes], size: int
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from dataset_builder.errors import StorageFailed\n"
        "from tests.dataset_builder.test_fill import fill\n"
        "try: fill(Path(sys.argv[1]))\n"
        "except StorageFailed as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        preexec_fn=partial(limit_files, size),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "could not be written (File too large); free space" in line
    assert not list(tmp_path.glob("*.tmp-*"))
    for name, found in content(tmp_path).items():
        assert found == whole[name] or name == "dataset.json"
    fill(tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.slow
def test_ray_makes_the_bytes_of_one_process_on_two_cores(tmp_path: Path, whole: dict[str, bytes]) -> None:
    pytest.importorskip("ray")
    reports = fill(tmp_path, executor="ray", jobs=2)
    assert len(reports) == 6 and content(tmp_path) == whole


@pytest.mark.slow
def test_an_error_in_a_ray_task_is_the_error_itself(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(InvalidJob, match="boom"):
        list(
            fill_folder(
                tmp_path,
                config={},
                specs=cut({}, 2, 1, prefix="letters"),
                fill=lambda spec: _boom,
                running=Running(executor="ray", jobs=1),
            )
        )


def _boom() -> Iterator[Sample | str]:
    raise InvalidJob("boom")
