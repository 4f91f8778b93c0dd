"""What a launcher told, or left behind; and devices that are not there."""

import os

import pytest
import torch

from tests.trainer import toy
from trainer.errors import InvalidConfig
from trainer.loop import train
from trainer.runs.launch import LAUNCH, leftovers, process_state

WHOLE = dict(zip(LAUNCH, ("0", "0", "2", "127.0.0.1", "29500"), strict=True))


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        ({}, []),
        (WHOLE, []),
        ({"LOCAL_RANK": "0"}, ["LOCAL_RANK"]),
        ({"LOCAL_RANK": "", "RANK": "3"}, ["LOCAL_RANK", "RANK"]),
        ({"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1"}, ["LOCAL_RANK", "RANK", "WORLD_SIZE"]),
        ({"MASTER_ADDR": "node7", "MASTER_PORT": "1"}, []),
        ({**WHOLE, "LOCAL_RANK": "zero", "WORLD_SIZE": "1"}, ["LOCAL_RANK", "RANK", "WORLD_SIZE"]),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, []),
    ],
)
def test_what_a_launcher_left_behind_is_no_launch(environment, left):
    assert leftovers(environment) == left


@pytest.mark.parametrize("size", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
def test_several_processes_that_cannot_meet_are_one_sentence(size):
    with pytest.raises(InvalidConfig, match=f"{size} says that 4 processes train, but .* how they meet"):
        leftovers({size: "4", "LOCAL_RANK": "0"})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(tmp_path, device):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one here")
    with pytest.raises(InvalidConfig, match=f"device: '{device}' is not to be had here; choose from"):
        process_state(toy.autoencoder_config(tmp_path, device=device))


def test_a_folder_that_weights_cannot_be_written_to_is_one_sentence(tmp_path):
    config = toy.autoencoder_config(tmp_path, out=tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(InvalidConfig, match=r"out: .*caf\\xe9 holds bytes that are no text"):
        next(train(config))
    assert not config.out.exists()
