"""Law 10, the files: the newest complete checkpoint is found, a damaged one is passed over, few are kept."""

from pathlib import Path

import pytest
import torch

from trainer.runs import checkpoint


def state(step: int) -> checkpoint.State:
    value = torch.full((3,), float(step))
    return checkpoint.State(step, {"w": value}, {"w": value / 2}, {"m": value, "n": [1]}, {"log_bytes": step})


def test_newest_is_found_and_old_ones_go(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state(step), keep=2)
    found = checkpoint.newest(tmp_path)
    assert found is not None and found.step == 3 and found.extra == {"log_bytes": 3}
    assert torch.equal(found.optimizer["m"], torch.full((3,), 3.0))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "ema.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("harm", ["cut", "flip", "lose"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str, harm: str) -> None:
    checkpoint.save(tmp_path, state(1), keep=2)
    file = checkpoint.save(tmp_path, state(2), keep=2) / name
    content = bytearray(file.read_bytes())
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "lose":
        file.unlink()
    else:
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    found = checkpoint.newest(tmp_path)
    assert found is not None and found.step == 1


def test_a_half_written_checkpoint_is_none(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1), keep=2)
    half = tmp_path / "checkpoints" / "checkpoint-00000002.tmp-abc"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"")
    found = checkpoint.newest(tmp_path)
    assert found is not None and found.step == 1
    checkpoint.save(tmp_path, state(3), keep=2)
    assert not half.exists()


def test_nothing_there(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
