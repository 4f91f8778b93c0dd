"""Pictures from captions in batches: each depends on its own words and seed; SDEdit starts half way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from editors.model.loading.load import from_pipeline
from evaluation.sampling import Sampling, draw, round_trip, sdedit
from tests import tiny

HOW = Sampling(size=32, guidance_scale=4.0, num_inference_steps=5)
CAPTIONS = ["a cat", "a red house", "a dog in the snow"]


@pytest.fixture(scope="module")
def model() -> Any:
    return from_pipeline(tiny.pipeline(kind="base", text="bert"))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.stack([np.array(tiny.photo(seed=number)) for number in range(3)])


def levels_apart(one: np.ndarray, two: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - two.astype(int)).max())


def test_a_picture_does_not_depend_on_its_company(model: Any) -> None:
    together = draw(model, CAPTIONS, [7, 8, 9], HOW)
    alone = draw(model, CAPTIONS[1:2], [8], HOW)
    assert levels_apart(together[1:2], alone) <= 1
    assert levels_apart(together[1], together[0]) > 1


def test_drawing_is_what_the_pipeline_of_diffusers_draws(model: Any) -> None:
    pipe = tiny.pipeline(kind="base", text="bert")
    theirs = pipe(
        prompt_embeds=model.encode_prompt(["a cat"]),
        negative_prompt_embeds=model.encode_prompt([""]),
        guidance_scale=HOW.guidance_scale,
        num_inference_steps=HOW.num_inference_steps,
        generator=torch.Generator().manual_seed(7),
        height=32,
        width=32,
        output_type="np",
    ).images
    assert levels_apart(draw(model, ["a cat"], [7], HOW), (theirs * 255).round().astype(np.uint8)) <= 1


def test_sdedit_at_full_strength_is_plain_drawing(model: Any, pictures: np.ndarray) -> None:
    drawn = draw(model, CAPTIONS, [7, 8, 9], HOW)
    assert (sdedit(model, pictures, CAPTIONS, [7, 8, 9], HOW, strength=1) == drawn).all()


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++2m", "euler", "euler-a", "pndm"])
def test_the_weaker_sdedit_is_the_nearer_it_stays(model: Any, pictures: np.ndarray, scheduler: str) -> None:
    other = model.with_scheduler(scheduler)
    how = Sampling(size=32, guidance_scale=1.0, num_inference_steps=20)
    through = round_trip(model, pictures).astype(float)
    errors = [
        np.abs(sdedit(other, pictures, CAPTIONS, [1, 2, 3], how, strength=strength) - through).mean()
        for strength in (0.05, 0.4, 0.9)
    ]
    assert errors == sorted(errors)
