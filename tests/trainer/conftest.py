from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.trainer import toy
from trainer.tasks import diffusion, instruct_pix2pix, text_to_image, validation

FEW = 3
"""Denoising steps of what toy runs show of themselves. No law is about how good that is."""


@pytest.fixture(scope="session", autouse=True)
def few_steps() -> Iterator[None]:
    """Draw and validate with few steps, which takes most of a toy run's time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (instruct_pix2pix, validation):
            patch.setattr(module, "STEPS", FEW)
        for task in (instruct_pix2pix, text_to_image):
            patch.setattr(task, "denoise_grid", partial(diffusion.denoise_grid, steps=FEW))
        yield


@pytest.fixture(scope="session")
def chain(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with toy data, a trained toy autoencoder and a trained toy base."""
    return toy.chain(tmp_path_factory.mktemp("chain"))
