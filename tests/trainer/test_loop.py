"""Law 10: killed anywhere and run again, training ends with the same bytes; a finished run rests."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from dataset_builder.errors import FolderBusy, StorageFailed
from tests.trainer import toy
from trainer import TrainConfig
from trainer.config import from_dict
from trainer.errors import ConfigChanged, CorruptRun, InvalidConfig, OutOfMemory, UnusableData
from trainer.loop import resume, train
from trainer.runs.rate import learning_rate

SCRIPT = """
import json, sys
from trainer.config import from_dict
from trainer.loop import train
for step in train(from_dict(json.loads(sys.argv[1]))):
    print(step.step, flush=True)
"""


def finish(config: TrainConfig) -> Path:
    for _ in train(config):
        pass
    return config.out


def fingerprint(run: Path) -> dict[str, str]:
    """Hash all that must be equal: weights, average, optimizer, log, export."""
    files = [*run.glob("checkpoints/checkpoint-*/*"), run / "log.jsonl", *run.glob("model/**/*.safetensors")]
    wanted = {str(f.relative_to(run)): f for f in files if f.name != "state.json"}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(wanted.items())}


@pytest.fixture(scope="module")
def uninterrupted(chain: Path) -> dict[str, str]:
    return fingerprint(finish(toy.edit_config(chain, out=chain / "whole", gradient_accumulation_steps=2)))


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_cancelled_run_continues_to_the_same_bytes(
    chain: Path, uninterrupted: dict[str, str], after: int, tmp_path: Path
) -> None:
    config = toy.edit_config(chain, out=tmp_path / "run", gradient_accumulation_steps=2)
    steps = train(config)
    for _ in range(after):
        next(steps)
    steps.close()
    assert not (config.out / "done.json").exists()
    for _ in resume(config.out):
        pass
    assert fingerprint(config.out) == uninterrupted


def test_kill_9_continues_to_the_same_bytes(
    chain: Path, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    config = toy.edit_config(chain, out=tmp_path / "run", gradient_accumulation_steps=2)
    root = Path(__file__).resolve().parents[2]
    for wanted in ("2", "5"):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(config.to_dict())],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == wanted:
                process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL
    assert fingerprint(finish(config)) == uninterrupted


def test_a_finished_run_does_nothing(chain: Path) -> None:
    config = toy.autoencoder_config(chain)
    before = {path: path.stat().st_mtime_ns for path in config.out.rglob("*")}
    assert list(train(config)) == []
    assert {path: path.stat().st_mtime_ns for path in config.out.rglob("*")} == before


def test_another_configuration_or_other_data_is_refused(chain: Path, tmp_path: Path) -> None:
    config = toy.autoencoder_config(chain, out=tmp_path / "run", steps=5)
    for _ in islice(train(config), 3):
        pass
    with pytest.raises(ConfigChanged, match="learning_rate"):
        next(train(replace(config, learning_rate=0.5)))
    other = toy.dataset(tmp_path / "other", pairs=False, num=9)
    with pytest.raises(ConfigChanged, match="data"):
        next(train(replace(config, data=other)))


def test_a_refused_command_leaves_the_folder_free_for_the_corrected_one(chain: Path, tmp_path: Path) -> None:
    """Refused for its data, for its model, or broken off before anything was saved: then all may change."""
    right = toy.edit_config(chain, out=tmp_path / "run", steps=1)
    for wrong in (
        replace(right, data=tmp_path / "nowhere", steps=7),
        replace(right, base=str(tmp_path / "nowhere"), mixed_precision="bf16"),
        replace(right, data=chain / "scenes"),
    ):
        with pytest.raises((UnusableData, InvalidConfig)):
            next(train(wrong))
    next(train(replace(right, steps=3, seed=4)))
    finish(right)
    straight = finish(replace(right, out=tmp_path / "straight"))
    assert fingerprint(right.out) == fingerprint(straight)


def test_a_run_that_was_moved_goes_on_where_it_is(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed, and reached from another folder, although it was told relative paths."""
    monkeypatch.chdir(chain)
    config = toy.edit_config(Path(), out=tmp_path / "old", steps=5, base="base/model")
    for _ in islice(train(config), 3):
        pass
    config.out.rename(tmp_path / "new")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = next(steps := resume(Path("../new")))
    assert first.step > 2
    assert list(steps)[-1].step == 5
    assert (tmp_path / "new" / "done.json").exists() and not (tmp_path / "old").exists()
    monkeypatch.chdir(chain)
    straight = finish(replace(config, out=tmp_path / "straight"))
    assert fingerprint(tmp_path / "new") == fingerprint(straight)


def test_what_is_published_tells_of_no_folder(chain: Path, tmp_path: Path) -> None:
    run = finish(toy.edit_config(chain, out=tmp_path / "run", steps=1))
    for written in (run / "model").rglob("*"):
        if written.suffix in (".json", ".md"):
            text = written.read_text(encoding="utf-8")
            assert str(chain) not in text and str(tmp_path) not in text


def test_two_runs_in_one_folder_are_one_too_many(chain: Path, tmp_path: Path) -> None:
    config = toy.autoencoder_config(chain, out=tmp_path / "run", steps=3)
    next(running := train(config))
    with pytest.raises(FolderBusy, match="another run"):
        next(train(config))
    running.close()
    finish(config)


@pytest.mark.parametrize("place", ["file", "file/run", "/proc/nothing/run"])
def test_a_place_where_no_run_can_be_is_one_sentence(chain: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageFailed, match=r"cannot be written to \(.*\); choose another folder\.$"):
        next(train(toy.autoencoder_config(chain, out=tmp_path / place)))
    assert (tmp_path / "file").read_text() == "mine"


class FullDisk:
    """Refuses like a disk that fills up when one kind of file is written."""

    def __init__(self, patch: pytest.MonkeyPatch, kind: str) -> None:
        errors = {
            "torch": RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
            "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device"),
            "system": OSError(errno.ENOSPC, "No space left on device"),
        }

        def refuse(*_: object, **__: object) -> None:
            raise errors[kind]

        writers = {"torch": "torch.save", "safetensors": "safetensors.torch.save_file"}
        patch.setattr(writers.get(kind, "trainer.runs.checkpoint.hash_file"), refuse)


@pytest.mark.parametrize("kind", ["torch", "safetensors", "system"])
def test_a_disk_that_fills_up_at_a_checkpoint_keeps_the_one_before(
    chain: Path, tmp_path: Path, uninterrupted: dict[str, str], kind: str
) -> None:
    config = toy.edit_config(chain, out=tmp_path / "run", gradient_accumulation_steps=2)
    steps = train(config)
    for _ in range(3):
        next(steps)
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, kind)
        with pytest.raises(StorageFailed, match=r"step 4: the checkpoint \(.* MB\) .*step 2 is safe\.$"):
            list(steps)
    assert not list(config.out.rglob("*.tmp-*"))
    for _ in resume(config.out):
        pass
    assert fingerprint(config.out) == uninterrupted


def test_a_bug_while_a_checkpoint_is_written_keeps_its_traceback(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr("torch.save", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        finish(toy.autoencoder_config(chain, out=tmp_path / "run"))


def test_half_written_files_of_killed_runs_go_before_room_is_asked_for(chain: Path, tmp_path: Path) -> None:
    config = toy.autoencoder_config(chain, out=tmp_path / "run")
    next(train(config))
    left = config.out / "checkpoints" / "checkpoint-00000002.tmp-0123"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"x")
    half = config.out / "model.tmp-4567"
    half.mkdir()
    finish(config)
    assert not left.exists() and not half.exists()


def test_data_without_the_columns_is_refused_by_name(chain: Path, tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="no column image"):
        next(train(toy.autoencoder_config(chain, data=chain / "pairs", out=tmp_path / "run")))
    with pytest.raises(UnusableData, match="wordbrush data scenes"):
        next(train(toy.autoencoder_config(chain, data=tmp_path / "nowhere", out=tmp_path / "run2")))


def test_gradients_do_not_depend_on_accumulation(chain: Path, tmp_path: Path) -> None:
    """Two passes of 2 and one of 4 see the same samples and draws, so the first loss is the same."""
    runs = [
        finish(
            toy.edit_config(
                chain, out=tmp_path / str(rows), steps=1, batch_size=rows, gradient_accumulation_steps=passes
            )
        )
        for rows, passes in ((4, 1), (2, 2))
    ]
    losses = [json.loads((run / "log.jsonl").read_text())["loss"] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_configurations_survive_json(chain: Path) -> None:
    for config in (toy.autoencoder_config(chain), toy.base_config(chain), toy.edit_config(chain)):
        assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", 2.5),
        ("steps", True),
        ("seed", 1.5),
        ("lr_warmup_steps", 0.5),
        ("learning_rate", "fast"),
        ("norm_num_groups", 0),
        ("layers_per_block", 0),
        ("latent_channels", -4),
        ("block_out_channels", (12.0, 16)),
        ("block_out_channels", ()),
        ("learning_rate", float("nan")),
        ("ema_decay", 1.0),
        ("seed", -1),
        ("lr_schedule", "zigzag"),
        ("max_grad_norm", float("inf")),
        ("mixed_precision", "fp8"),
    ],
)
def test_a_bad_field_is_named_with_its_range(field: str, value: object) -> None:
    with pytest.raises(InvalidConfig, match=rf"^{field}: .* not allowed; (give|choose) "):
        toy.autoencoder_config(Path("x"), **{field: value})


def test_learning_rate_rises_then_falls() -> None:
    config = toy.autoencoder_config(
        Path("x"), steps=10, lr_warmup_steps=4, lr_schedule="linear", learning_rate=1e-2
    )
    rates = [learning_rate(config, step) for step in range(10)]
    assert rates[:5] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])
    assert all(earlier > later for earlier, later in pairwise(rates[4:]))


def test_average_follows_its_closed_form() -> None:
    from trainer.runs.ema import EMA

    module = torch.nn.Linear(1, 1, bias=False)
    average = EMA(module, decay=0.5)
    expected = module.weight.item()
    for update in range(1, 9):
        with torch.no_grad():
            module.weight.fill_(float(update))
        average.update(module, update)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
    assert average.shadow["weight"].item() == pytest.approx(expected)
    with average.applied(module):
        assert module.weight.item() == pytest.approx(expected)
    assert module.weight.item() == 8.0


@pytest.mark.parametrize("name", ["model", "log.jsonl", "samples", "config.json"])
def test_what_lies_in_a_folder_already_is_not_written_over(chain: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / name).write_text("mine")
    with pytest.raises(CorruptRun, match=r"choose a new folder\.$"):
        next(train(toy.autoencoder_config(chain, out=place)))
    assert (place / name).read_text() == "mine"
    assert {path.name for path in place.iterdir()} <= {name, ".lock"}


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take room beforehand")
def test_the_cache_takes_its_room_before_it_is_filled(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapped file on a full disk would otherwise kill the process while it is filled."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    config = toy.edit_config(chain, out=tmp_path / "run", steps=1)
    with monkeypatch.context() as patch:
        patch.setattr("trainer.data.tables.os.posix_fallocate", full)
        with pytest.raises(StorageFailed, match=r"npy could not be written \(No space left on device\)"):
            next(train(config))
    assert not list(config.out.rglob("*.tmp-*"))
    finish(config)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate"), MemoryError()],
)
def test_memory_that_runs_out_in_a_step_is_one_sentence(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr("trainer.tasks.autoencoder.Reconstruction.forward", exhausted)
    with pytest.raises(OutOfMemory, match=r"step 1; start again with .* smaller"):
        finish(toy.autoencoder_config(chain, out=tmp_path / "run"))


def test_a_disk_that_fills_up_at_the_export_keeps_the_last_step(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    config = toy.autoencoder_config(chain, out=tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("trainer.tasks.autoencoder.replacing_folder", full)
        with pytest.raises(StorageFailed, match=r"the trained model .*No space left.* step 2 is safe\.$"):
            finish(config)
    assert not (config.out / "done.json").exists()
    finish(config)
    assert (config.out / "model" / "config.json").exists()
