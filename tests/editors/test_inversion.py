"""Inversion on toy models: what each method promises, for noise and v, zero-terminal-SNR schedules too."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from editors.ddim import levels
from editors.diffusion import denoise
from editors.errors import InvalidEdit
from editors.model.loading.load import from_pipeline
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.prompt_to_prompt.inversion.trajectory import ResidualSteps
from editors.prompt_to_prompt.records import weights_sign
from editors.requests.edits import INVERSIONS, PromptEdit
from editors.running import run_to_end
from tests import tiny

STEPS = 6
PROMPTS: dict[str, Any] = {"original_prompt": "a cat on a bench", "edited_prompt": "a red cat on a bench"}


def scheduler(prediction):
    """That of Stable Diffusion for noise; pocket's, which ends at pure noise, for v."""
    if prediction == "epsilon":
        return tiny.build_scheduler("ddim", "epsilon")
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def editor(request):
    text: Any = "clip" if request.param == "epsilon" else "bert"
    pipe = tiny.pipeline(kind="base", text=text)
    pipe.scheduler = scheduler(request.param)
    with torch.no_grad():  # so that the text matters
        for name, parameter in pipe.unet.named_parameters():
            if "attn2" in name:
                parameter.mul_(3)
    return PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)


def edit(**options):
    return PromptEdit(
        **{"num_inference_steps": STEPS, "seed": 3, "original_image": tiny.photo(), **PROMPTS, **options}
    )


def invert(model, method, *, scale=7.5, steps=STEPS, seed=0):
    shape = (model.latent_channels, 8, 8)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    inverter = Inverter(
        model,
        latents,
        PROMPTS["original_prompt"],
        num_inference_steps=steps,
        guidance_scale=scale,
        seed=seed,
    )
    with torch.no_grad():
        trajectory = run_to_end(METHODS[method].steps(inverter))
    assert torch.equal(trajectory.latents[-1], latents) and len(trajectory.latents) == steps + 1
    assert trajectory.num_unet_rows == inverter.num_rows
    return trajectory


def redraw(model, trajectory, *, scale, steps=STEPS):
    """Draw the original again from its noise, plainly: with the prompt, under guidance."""
    size = (32, 32)
    words = model.condition([PROMPTS["original_prompt"]], size=size).states
    empty = model.unconditional(size=size).states

    def predict(latents, timestep, index):
        own = trajectory.unconditional
        none = empty if own is None else own[min(index, len(own) - 1)][None]
        # One call under guidance, as an edit makes it; without, the prompt alone.
        rows = torch.cat((none.to(words), words)) if scale != 1 else words
        told = torch.cat([latents] * len(rows))
        output = model.unet(told, timestep, encoder_hidden_states=rows).sample
        unsaid, said = output[:1], output[-1:]
        return unsaid + scale * (said - unsaid)

    sampler: Any = model.new_scheduler()
    if trajectory.residuals is not None:
        sampler = ResidualSteps(
            sampler, [trajectory.residuals], stochastic=METHODS[trajectory.method].is_stochastic
        )
    start = trajectory.latents[:1]
    return run_to_end(denoise(predict, scheduler=sampler, latents=start, num_inference_steps=steps))[0]


def error(model, method, *, scale, steps=STEPS):
    trajectory = invert(model, method, scale=scale, steps=steps)
    redrawn = redraw(model, trajectory, scale=scale, steps=steps)
    return float((redrawn - trajectory.latents[-1]).square().mean().sqrt())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("num_steps", [5, 30])
def test_a_step_is_that_of_the_scheduler(prediction, num_steps):
    sampler = scheduler(prediction) if prediction != "sample" else tiny.build_scheduler("ddim", "sample")
    latents, output = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for level in levels(sampler, num_steps):
        expected = sampler.step(output, level.timestep, latents).prev_sample
        torch.testing.assert_close(level.a * latents + level.b * output, expected, rtol=1e-5, atol=1e-5)


def test_a_model_that_says_the_same_everywhere_is_inverted_exactly(editor):
    model, conv = editor.model, editor.model.unet.conv_out
    kept = conv.weight.detach().clone()
    try:
        with torch.no_grad():
            conv.weight.zero_()
        assert error(model, "ddim", scale=1) <= 1e-5
    finally:
        with torch.no_grad():
            conv.weight.copy_(kept)


def test_more_steps_invert_better_and_guidance_worse(editor):
    few, many, guided = (
        error(editor.model, "ddim", scale=scale, steps=steps) for scale, steps in ((1, 8), (1, 32), (7.5, 8))
    )
    assert many < 0.7 * few and guided > 2 * few


def test_the_negative_prompt_undoes_guidance(editor):
    plain = redraw(editor.model, invert(editor.model, "ddim"), scale=1)
    guided = redraw(editor.model, invert(editor.model, "negative_prompt"), scale=7.5)
    torch.testing.assert_close(guided, plain, rtol=1e-4, atol=1e-4)


def test_null_text_fits_what_guidance_loses_and_leaves_the_model_alone(editor):
    model = editor.model
    before = weights_sign(model.unet, model.text_encoder)
    fitted = invert(model, "null_text")
    assert fitted.unconditional.shape[0] == STEPS and not fitted.unconditional.requires_grad
    redrawn = redraw(model, fitted, scale=7.5)
    lost = float((redrawn - fitted.latents[-1]).square().mean().sqrt())
    assert lost < 0.75 * error(model, "ddim", scale=7.5)
    assert torch.equal(redraw(model, fitted, scale=7.5), redrawn)
    assert weights_sign(model.unet, model.text_encoder) == before
    assert all(parameter.grad is None for parameter in model.unet.parameters())


@pytest.mark.parametrize("method", ["edit_friendly", "flow_edit"])
@pytest.mark.parametrize("scale", [1, 7.5])
def test_what_is_noted_of_a_noised_picture_redraws_it(editor, method, scale):
    trajectory = invert(editor.model, method, scale=scale, seed=7)
    redrawn = redraw(editor.model, trajectory, scale=scale)
    # What rounding leaves, a random model under guidance multiplies at every step.
    torch.testing.assert_close(redrawn, trajectory.latents[-1], rtol=0, atol=1e-5 if scale == 1 else 1e-3)
    assert torch.equal(invert(editor.model, method, scale=scale, seed=7).latents, trajectory.latents)
    other = invert(editor.model, method, scale=scale, seed=8)
    assert not torch.equal(other.latents[0], trajectory.latents[0])


def test_flow_edit_takes_the_steps_of_its_paper():
    """Alg. 1 with one draw a step and σ = √(1−ᾱ)/√ᾱ for time: Z += Δσ·(ε(Z + σ·n) − ε(X + σ·n))."""
    pipe = tiny.pipeline(kind="base", text="clip")
    pipe.scheduler = scheduler("epsilon")
    editor = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    model = editor.model
    asked = edit(inversion="flow_edit", cross_replace_steps=0, self_replace_steps=0)
    clean, found = list(editor.stream(asked))[-1].latents
    size = (32, 32)
    empty = model.unconditional(size=size).states
    words = {name: model.condition([prompt], size=size).states for name, prompt in PROMPTS.items()}

    def noise_in(latents, name, level):
        told = torch.cat((empty, words[name]))
        unsaid, said = model.unet(
            latents.repeat(2, 1, 1, 1), level.timestep, encoder_hidden_states=told
        ).sample
        return unsaid + 7.5 * (said - unsaid)

    inverter = Inverter(
        model,
        clean,
        PROMPTS["original_prompt"],
        num_inference_steps=STEPS,
        guidance_scale=7.5,
        seed=asked.seed or 0,
    )
    z = clean
    with torch.no_grad():
        path = run_to_end(METHODS["flow_edit"].steps(inverter)).latents  # √ᾱ·(X + σ·n) of every level
        for level, x in zip(levels(model.new_scheduler(), STEPS), path[:-1], strict=True):
            sigma, after = (level.spread / level.signal, level.next_spread / level.next_signal)
            noised = x + level.signal * (z - clean)  # √ᾱ·(Z + σ·n) with the n of x
            change = noise_in(noised, "edited_prompt", level) - noise_in(x, "original_prompt", level)
            z = z + (after - sigma) * change
    torch.testing.assert_close(found, z, rtol=1e-3, atol=1e-3)


def test_direct_holds_the_original_on_its_path_and_lets_the_edit_go(editor):
    model = editor.model
    steps = list(editor.stream(edit(cross_replace_steps=0, self_replace_steps=0)))
    inverted, drawn = steps[:STEPS], steps[STEPS:]
    path = [step.latents[0] for step in inverted]
    for step, expected in zip(drawn[:-1], path[-2::-1], strict=True):
        assert torch.equal(step.latents[0], expected)
    picture = torch.from_numpy(np.asarray(tiny.photo(), np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
    encoded = model.encode_image(picture).mode()[0] * model.vae.config.scaling_factor
    torch.testing.assert_close(drawn[-1].latents[0], encoded, rtol=0, atol=1e-6)
    size = (32, 32)
    words = model.condition([PROMPTS["edited_prompt"]], size=size).states
    empty = model.unconditional(size=size).states

    def predict(latents, timestep, index):
        both = model.unet(
            torch.cat((latents, latents)), timestep, encoder_hidden_states=torch.cat((empty, words))
        ).sample
        return both[:1] + 7.5 * (both[1:] - both[:1])

    free = run_to_end(
        denoise(predict, scheduler=model.new_scheduler(), latents=path[-1][None], num_inference_steps=STEPS)
    )
    torch.testing.assert_close(drawn[-1].latents[1], free[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", INVERSIONS)
def test_a_photo_comes_back_in_its_size_with_its_alpha_and_unchanged_by_no_edit(editor, method):
    photo = tiny.photo((83, 61)).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    same = edit(
        original_image=photo,
        inversion=method,
        edited_prompt=PROMPTS["original_prompt"],
        num_inference_steps=2,
    )
    result = editor.edit(same)
    assert result.edited_image.mode == "RGBA"
    is_noted = method in ("edit_friendly", "flow_edit")
    assert result.reconstruction_psnr is None if is_noted else result.reconstruction_psnr > 0
    assert np.array_equal(np.asarray(result.edited_image), np.asarray(photo))
    assert np.array_equal(np.asarray(result.original_image), np.asarray(photo))


@pytest.mark.parametrize("size", [(512, 512), (512, 768), (768, 512), (333, 500), (61, 83)])
def test_a_mask_on_a_photo_holds_to_the_pixel(editor, size):
    width, height = size
    photo, mask = tiny.photo(size), Image.new("L", size, 0)
    mask.paste(255, (width // 3, height // 4, width // 2, height // 2))
    mask.paste(Image.linear_gradient("L").resize((width // 5, height // 5)), (width // 2, height // 2))
    request = edit(original_image=photo, mask=mask, num_inference_steps=2)
    result = editor.edit(request)
    assert result.edited_image.size == size
    same = (np.asarray(result.edited_image) == np.asarray(photo)).all(2)
    outside = np.asarray(mask) == 0
    assert same[outside].all() and not same[~outside].all()


def test_the_two_ways_back_to_full_size_differ(editor):
    photo = tiny.photo((61, 83))
    changed, resized = (
        editor.edit(edit(original_image=photo, full_size=way, num_inference_steps=2)).edited_image
        for way in ("change", "resize")
    )
    assert not np.array_equal(np.asarray(changed), np.asarray(resized))


def test_photos_and_drawn_originals_may_be_edited_together(editor):
    requests = [
        edit(num_inference_steps=2, inversion=method) for method in ("direct", "edit_friendly", "ddim")
    ]
    requests += [PromptEdit(num_inference_steps=2, seed=3, **PROMPTS), requests[0]]
    results = editor.edit_many(requests)
    for request, result in zip(requests, results, strict=True):
        alone = editor.edit(request).edited_image
        assert np.abs(np.asarray(result.edited_image, int) - np.asarray(alone, int)).max() <= 1


@pytest.mark.parametrize("method", INVERSIONS)
def test_an_inversion_can_be_left_at_any_step(editor, method):
    stream = editor.stream(edit(inversion=method))
    step = next(stream)
    assert step.preview().mode == "RGB"
    stream.close()


def test_a_scheduler_that_cannot_be_retraced_is_one_sentence(editor):
    for name in ("pndm", "euler-a"):
        other = PromptToPromptEditor(editor.model.with_scheduler(name))
        with pytest.raises(InvalidEdit, match=r'inversion: .*; load it with scheduler="ddim"'):
            other.edit(edit())
    pipe = tiny.pipeline(kind="base")
    pipe.scheduler = DDIMScheduler(clip_sample=True)
    with pytest.raises(InvalidEdit, match=r"inversion: .* clip_sample"):
        PromptToPromptEditor(from_pipeline(pipe)).edit(edit())
