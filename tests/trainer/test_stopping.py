"""Laws: a run told to stop saves and goes on to the same bytes; one that diverges names the samples."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainer import toy
from tests.trainer.test_loop import SCRIPT, fingerprint, finish
from trainer.data import draws
from trainer.errors import TrainingDiverged
from trainer.loop import train
from trainer.runs.checkpoint import newest
from trainer.runs.folder import finished
from trainer.tasks import instruct_pix2pix


def test_a_run_told_to_stop_saves_exits_with_0_and_goes_on_to_the_same_bytes(chain, tmp_path):
    """Neither checkpoints nor lines of the log fall on the step at which it stops."""
    options = {"log_every": 4, "checkpoint_every": 100, "keep_checkpoints": 1, "steps": 6}
    whole = fingerprint(finish(toy.edit_config(chain, out=tmp_path / "whole", **options)))
    config = toy.edit_config(chain, out=tmp_path / "stopped", **options)
    steps = train(config)
    assert next(steps).step == 4
    signal.raise_signal(signal.SIGTERM)
    assert list(steps) == []
    state = newest(config.out)
    assert state is not None and state.step == 4
    assert not finished(config.out)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert fingerprint(finish(config)) == whole


def test_the_log_of_a_run_killed_between_its_lines_is_that_of_a_whole_one(chain, tmp_path):
    options = {"log_every": 3, "checkpoint_every": 2, "steps": 6}
    whole = finish(toy.edit_config(chain, out=tmp_path / "whole", **options))
    config = toy.edit_config(chain, out=tmp_path / "killed", **options)
    steps = train(config)
    assert next(steps).step == 3
    steps.close()  # back to step 2: the first line needs the losses of steps 1 and 2 again
    assert (finish(config) / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()


@pytest.mark.slow
def test_a_process_that_gets_sigterm_exits_with_0(chain, tmp_path):
    config = toy.edit_config(chain, out=tmp_path / "run", steps=5000)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(config.to_dict())],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 0
    assert newest(config.out) is not None


def test_a_loss_that_is_no_number_stops_with_its_samples_and_without_a_checkpoint(
    chain, tmp_path, monkeypatch
):
    config = toy.edit_config(chain, out=tmp_path / "run", log_every=5, checkpoint_every=2, steps=6)
    own = instruct_pix2pix.InstructPix2PixTask.loss

    def loss(self, model, batch):
        broken = float("nan") if batch[0].rows.positions[0] == 3 * config.batch_size else 1.0
        return own(self, model, batch) * broken

    monkeypatch.setattr(instruct_pix2pix.InstructPix2PixTask, "loss", loss)
    indices = draws.Schedule(config.seed, 10).indices(range(12, 16)).tolist()
    with pytest.raises(TrainingDiverged, match=f"step 4 .* samples {', '.join(map(str, indices))};"):
        finish(config)
    state = newest(config.out)
    assert state is not None and state.step == 2
    assert all(weight.isfinite().all() for weight in state.weights.values())


def test_curves_are_drawn_where_asked(chain, tmp_path):
    pytest.importorskip("tensorboard")
    run = finish(toy.edit_config(chain, out=tmp_path / "run", steps=1, tracker="tensorboard"))
    assert list(run.glob("curves/events*"))


def test_gradient_checkpointing_changes_no_gradient(chain, tmp_path):
    import numpy as np

    gradients = []
    for kept in (True, False):
        config = toy.edit_config(chain, out=tmp_path / str(kept), gradient_checkpointing=not kept)
        task = instruct_pix2pix.make_task(config)
        assert (
            any(getattr(module, "gradient_checkpointing", False) for module in task.model.modules()) != kept
        )
        task.model.train()
        task.loss(task.model, task.batch(np.arange(4), range(4))).backward()
        gradients.append([parameter.grad for parameter in task.model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
