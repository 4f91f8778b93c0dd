"""Law: two processes see the samples, draws and loss of one process with the double batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer import toy
from trainer.loop import train


@pytest.mark.slow
def test_two_processes_are_one_with_the_double_batch(chain: Path, tmp_path: Path) -> None:
    alone = toy.edit_config(chain, out=tmp_path / "alone", steps=4, batch_size=4)
    for _ in train(alone):
        pass
    shared = tmp_path / "shared"
    options = [
        "--out",
        shared,
        "--base",
        alone.base,
        "--steps",
        4,
        "--batch-size",
        2,
        "--device",
        "cpu",
        "--mixed-precision",
        "no",
        "--log-every",
        1,
    ]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        2,
        "--master-port",
        29653,
        "--module",
        "ui.cli",
        "train",
        "instruct-pix2pix",
        alone.data,
        *options,
    ]
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [str(part) for part in command], check=True, cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    logs = [(run / "log.jsonl").read_text().splitlines() for run in (alone.out, shared)]
    for one, two in zip(*logs, strict=True):
        assert json.loads(one)["loss"] == pytest.approx(json.loads(two)["loss"], rel=1e-4)
