"""Forecast steps: none changes nothing, what moves evenly is foretold exactly, and rows are counted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from editors import InstructionEdit, InstructPix2PixEditor, InvalidEdit
from editors.forecast import STOP, WARM_UP, Forecast, computed_steps, require_forecastable
from editors.requests.settings import checked
from evaluation.figures import psnr
from tests import tiny


@pytest.mark.parametrize("num_calls", [1, 2, 4, 5, 12, 20, 50])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_the_first_and_the_last_steps_are_computed_and_every_nth_between(num_calls, window):
    computed = computed_steps(num_calls, window)
    assert len(computed) == num_calls and all(computed[:WARM_UP]) and computed[-1]
    between = computed[WARM_UP : min(num_calls - 1, int(np.ceil(STOP * num_calls)))]
    assert [place for place, one in enumerate(between, start=1) if one] == list(
        range(window, len(between) + 1, window)
    )
    assert all(computed) or window > 1


def edit(**options: Any) -> InstructionEdit:
    asked = {"edit_prompt": "make it night", "seed": 3, "num_inference_steps": 12, **options}
    return InstructionEdit(original_image=tiny.photo((32, 32)), **asked)


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "dpm++2m", "euler", "euler-a"])
def test_a_window_of_one_changes_nothing_bit_for_bit(scheduler):
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline(scheduler=scheduler))
    ours, plain = ([step.latents for step in editor.stream(edit(forecast=n))] for n in (1, None))
    assert all(torch.equal(one, other) for one, other in zip(ours, plain, strict=True))


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "dpm++2m", "euler", "euler-a"])
@pytest.mark.parametrize("window", [2, 4])
def test_only_computed_rows_are_counted_and_the_picture_is_one(scheduler, window):
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline(scheduler=scheduler))
    result = editor.edit(edit(forecast=window, only=0.5))
    num_calls = editor.model.num_calls(12)
    assert result.num_unet_rows == 3 * sum(computed_steps(num_calls, window)) < 3 * num_calls
    assert isinstance(result.edit, InstructionEdit) and result.edit.forecast == window
    again = editor.edit(edit(forecast=window, only=0.5))
    assert again.edited_image.tobytes() == result.edited_image.tobytes()


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_clean_pictures_that_stand_still_are_foretold_exactly(prediction_type):
    """Whatever the output means, and whatever the latents are by now: it speaks of the same clean picture."""
    scheduler = DDIMScheduler(prediction_type=prediction_type)
    clean, noise = (torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))

    def at(timestep: int) -> tuple[torch.Tensor, torch.Tensor]:
        alpha = scheduler.alphas_cumprod[timestep]
        latents = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
        return latents, {"epsilon": noise, "v_prediction": velocity, "sample": clean}[prediction_type]

    forecast = Forecast(scheduler, (True, True, False))
    for timestep in (800, 700):
        latents, output = at(timestep)
        forecast.see(output, latents, torch.tensor(timestep))
    latents, output = at(600)
    torch.testing.assert_close(forecast.output(latents, torch.tensor(600)), output, rtol=1e-3, atol=1e-3)


def test_edits_of_one_window_share_a_batch_and_are_each_as_alone():
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline())
    edits = [edit(seed=seed, forecast=window) for seed, window in ((1, 3), (2, 3), (3, None))]
    for one, result in zip(edits, editor.edit_many(edits), strict=True):
        alone = np.asarray(editor.edit(one).edited_image).astype(int)
        assert np.abs(alone - np.asarray(result.edited_image)).max() <= 1


def test_pocket_forecasts_half_of_its_steps_by_itself_and_is_near_what_it_computes():
    editor = InstructPix2PixEditor.from_pretrained("pocket", device="cpu")
    picture = tiny.photo((128, 128))
    assert editor.recommended.forecast == 4
    asked = InstructionEdit(original_image=picture, edit_prompt="a pencil sketch", seed=7)
    full, fast = (editor.edit(one) for one in (replace(asked, forecast=1), asked))
    assert isinstance(fast.edit, InstructionEdit) and fast.edit.forecast == 4
    assert fast.num_unet_rows <= 0.6 * full.num_unet_rows
    assert psnr(np.asarray(full.edited_image), np.asarray(fast.edited_image)) >= 35


def test_a_model_may_recommend_a_forecast_that_a_request_can_refuse():
    plain = InstructPix2PixEditor.from_pipeline(tiny.pipeline()).model
    recommends = checked({"edit": {"forecast": 3, "num_inference_steps": 12}})
    editor = InstructPix2PixEditor(replace(plain, recommends=recommends))
    own, all_computed = (editor.edit(edit(forecast=window)) for window in (None, 1))
    assert own.num_unet_rows == 3 * sum(computed_steps(12, 3)) < all_computed.num_unet_rows == 36
    assert editor.edit(edit(num_inference_steps=None)).num_unet_rows == own.num_unet_rows
    assert editor.edit(edit(num_inference_steps=11)).num_unet_rows == 33  # it was not measured with these
    as_without = InstructPix2PixEditor(plain).edit(edit())
    assert all_computed.edited_image.tobytes() == as_without.edited_image.tobytes()
    with pytest.raises(ValueError, match="forecast: 5 is not allowed"):
        checked({"edit": {"forecast": 5}})


def test_what_cannot_be_forecast_is_a_sentence():
    for wrong in (0, 5, 2.5, "two"):
        with pytest.raises(
            InvalidEdit, match=r"forecast: .* is not allowed; give a whole number from 1 to 4"
        ):
            edit(forecast=wrong)
    with pytest.raises(InvalidEdit, match="object does not say how noisy its steps are"):
        require_forecastable(object())
