import io
import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from editors import EditFailed, IncompatibleModel, InstructionEdit, InstructPix2PixEditor, InvalidEdit
from editors.model.loading.load import from_pipeline
from editors.running import failures_explained
from evaluation.figures import psnr
from tests import tiny

NIGHT = "make it night"


@pytest.fixture(scope="module")
def editor():
    return InstructPix2PixEditor.from_pipeline(tiny.pipeline())


def request(photo=None, **changes):
    options = {"edit_prompt": NIGHT, "num_inference_steps": 4, "seed": 3, **changes}
    return InstructionEdit(original_image=photo if photo is not None else tiny.photo(), **options)


def finished(steps):
    """All steps of a stream, and its result."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("scheduler", tiny.SCHEDULERS)
@pytest.mark.parametrize("text", ["clip", "bert"])
def test_an_edit_is_that_of_diffusers(text, scheduler, prediction):
    pipe = tiny.pipeline(text=text, scheduler=scheduler, prediction=prediction)
    editor = InstructPix2PixEditor.from_pipeline(pipe)
    photo = tiny.photo((32, 24))
    options = {"num_inference_steps": 4, "guidance_scale": 7.5, "image_guidance_scale": 1.5}
    theirs = pipe(NIGHT, image=photo, generator=tiny.generators([3])[0], output_type="np", **options).images[
        0
    ]
    steps, result = finished(editor.stream(request(photo, full_size="resize", **options)))
    ours = editor.model.decode(steps[-1].latents)[0].permute(1, 2, 0).numpy()
    assert np.abs(theirs - ours).max() <= 1e-5
    assert np.array_equal(np.asarray(result.edited_image), (theirs * 255).round().astype(np.uint8))


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a", "pndm"])
def test_a_batch_is_that_of_diffusers(scheduler):
    pipe = tiny.pipeline(scheduler=scheduler)
    photos, prompts, seeds = [tiny.photo(seed=1), tiny.photo(seed=2)], [NIGHT, "add snow"], [3, 4]
    options = {"num_inference_steps": 4, "guidance_scale": 5.0, "image_guidance_scale": 1.0}
    theirs = pipe(prompts, image=photos, generator=tiny.generators(seeds), output_type="np", **options).images
    edits = [
        request(photo, edit_prompt=prompt, seed=seed, full_size="resize", **options)
        for photo, prompt, seed in zip(photos, prompts, seeds, strict=True)
    ]
    results = InstructPix2PixEditor.from_pipeline(pipe).edit_many(edits)
    for result, image in zip(results, theirs, strict=True):
        assert np.abs(np.asarray(result.edited_image).astype(int) - (image * 255).round()).max() <= 1
        assert result.num_unet_rows == 2 * len(pipe.scheduler.timesteps)


@pytest.mark.parametrize(
    ("scheduler", "scales"), [("ddim", (7.5, 1.5)), ("euler-a", (5.0, 1.0)), ("pndm", (1.5, 2.0))]
)
def test_a_batch_of_two_is_that_of_diffusers_to_rounding_of_floats(scheduler, scales, monkeypatch):
    pipe = tiny.pipeline(scheduler=scheduler)
    photos, prompts, seeds = [tiny.photo(seed=1), tiny.photo(seed=2)], [NIGHT, "add snow"], [3, 4]
    options = {"num_inference_steps": 4, "guidance_scale": scales[0], "image_guidance_scale": scales[1]}
    theirs = pipe(prompts, image=photos, generator=tiny.generators(seeds), output_type="np", **options).images
    editor = InstructPix2PixEditor.from_pipeline(pipe)
    decode, drawn = type(editor.model).decode, []

    def watched(model, latents):
        drawn.append(decode(model, latents))
        return drawn[-1]

    monkeypatch.setattr(type(editor.model), "decode", watched)
    editor.edit_many(
        [
            request(photo, edit_prompt=prompt, seed=seed, **options)
            for photo, prompt, seed in zip(photos, prompts, seeds, strict=True)
        ]
    )
    (ours,) = drawn  # both pictures left the model together
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-5


@pytest.mark.parametrize(
    ("image_scale", "text_scale"), [*itertools.product([0, 0.5, 0.9, 1, 1.5], [0, 1, 1.5, 7.5])]
)
def test_the_papers_formula_holds_for_all_scales(editor, image_scale, text_scale):
    """Also where diffusers drops it: image_guidance_scale under 1, guidance_scale 1 and under."""
    model, photo = editor.model, tiny.photo()
    edit = request(photo, image_guidance_scale=image_scale, guidance_scale=text_scale)
    pixels = torch.from_numpy(np.asarray(photo, np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
    image = model.encode_image(pixels).mode()
    words, empty = model.encode_prompt([NIGHT]), model.encode_prompt([""])
    scheduler = model.new_scheduler()
    scheduler.set_timesteps(4)
    latents = torch.randn((1, 4, 8, 8), generator=tiny.generators([3])[0]) * scheduler.init_noise_sigma

    def unet(picture, text):
        return model.unet(torch.cat([latents, picture], 1), t, encoder_hidden_states=text).sample

    with torch.no_grad():
        for t in scheduler.timesteps:
            nothing = unet(torch.zeros_like(image), empty)
            pictured, full = unet(image, empty), unet(image, words)
            guided = nothing + image_scale * (pictured - nothing) + text_scale * (full - pictured)
            latents = scheduler.step(guided, t, latents).prev_sample
    steps, result = finished(editor.stream(edit))
    torch.testing.assert_close(steps[-1].latents, latents, atol=2e-4, rtol=2e-4)
    coefficients = [1 - image_scale, image_scale - text_scale, text_scale]
    assert result.num_unet_rows == 4 * sum(coefficient != 0 for coefficient in coefficients)


def test_rows_really_evaluated_are_the_rows_reported(editor):
    rows = []
    hook = editor.model.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    try:
        for scales, per_step in (
            ((1.5, 7.5), 3),
            ((1, 7.5), 2),
            ((2, 2), 2),
            ((1.5, 0), 2),
            ((1, 1), 1),
            ((0, 0), 1),
        ):
            rows.clear()
            result = editor.edit(request(image_guidance_scale=scales[0], guidance_scale=scales[1]))
            assert sum(rows) == result.num_unet_rows == 4 * per_step
    finally:
        hook.remove()


def test_image_channels_are_the_unscaled_mode(editor):
    model, seen = editor.model, []
    hook = model.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    photo = tiny.photo()
    try:
        editor.edit(request(photo))
    finally:
        hook.remove()
    pixels = torch.from_numpy(np.asarray(photo, np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
    mode = model.encode_image(pixels).mode()[0]
    text, image, nothing = seen[0][:, 4:]
    torch.testing.assert_close(text, mode, atol=1e-5, rtol=1e-5)
    assert torch.equal(text, image) and not nothing.any()


def exif_rotated():
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    tiny.photo((61, 83)).save(held, "JPEG", exif=exif)
    return Image.open(io.BytesIO(held.getvalue()))


UPLOADS = {
    **{mode: tiny.photo((61, 83)).convert(mode) for mode in ("RGB", "RGBA", "L", "P", "LA", "CMYK", "1")},
    "16-bit": Image.fromarray(np.asarray(tiny.photo((61, 83)).convert("L")).astype(np.uint16) * 257),
    "exif": exif_rotated(),
    "native": tiny.photo((32, 32)),
    "native RGBA": tiny.photo((32, 32)).convert("RGBA"),
    "large": tiny.photo((401, 299)),
    "small": tiny.photo((17, 16)),
    "long": tiny.photo((128, 16)),
}


@pytest.mark.parametrize("full_size", ["change", "resize"])
@pytest.mark.parametrize("name", UPLOADS)
def test_the_result_has_the_uploads_size_upright_with_its_alpha(editor, name, full_size):
    upload = UPLOADS[name]
    result = editor.edit(request(upload, num_inference_steps=1, full_size=full_size))
    assert result.edited_image.size == ((83, 61) if name == "exif" else upload.size)
    assert result.original_image.size == result.edited_image.size
    assert result.edited_image.mode == ("RGBA" if name in ("RGBA", "LA", "native RGBA") else "RGB")
    assert not result.edited_image.info


def repeating(monkeypatch):
    """An editor whose UNet says "as it is": its pictures are the autoencoder's round trips."""
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline(scheduler="euler", prediction="sample"))
    scale = editor.model.vae.config.scaling_factor
    monkeypatch.setattr(editor.model.unet, "forward", lambda rows, timestep, **told: (rows[:, 4:] * scale,))
    return editor


def textured(size):
    """A photo with detail that a toy autoencoder loses."""
    grain = np.random.default_rng(1).normal(0, 20, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(tiny.photo(size)) + grain).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("size", [(32, 24), (61, 83), (333, 500), (500, 333), (4000, 500), (17, 16)])
def test_an_edit_that_changes_nothing_returns_the_upload(size, monkeypatch):
    """At any size, whatever the autoencoder loses; the plain resize shows that it does lose something."""
    editor, photo = repeating(monkeypatch), textured(size)
    results = {
        how: editor.edit(request(photo, full_size=how, image_guidance_scale=1)).edited_image
        for how in ("change", "resize")
    }
    assert psnr(np.asarray(results["change"]), np.asarray(photo)) >= 50
    assert psnr(np.asarray(results["resize"]), np.asarray(photo)) < 30


def test_alpha_is_kept_exactly(editor):
    upload = tiny.photo((61, 83)).convert("RGBA")
    upload.putalpha(Image.radial_gradient("L").resize((61, 83)))
    result = editor.edit(request(upload))
    assert np.array_equal(np.asarray(result.edited_image)[..., 3], np.asarray(upload)[..., 3])


@pytest.mark.parametrize("size", [(32, 32), (61, 83), (200, 90), (333, 500)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_outside_the_mask_nothing_changes(editor, size, mode):
    upload = tiny.photo(size).convert(mode)
    mask = Image.new("L", size)
    mask.paste(255, (4, 4, size[0] // 2, size[1] // 2))
    result = np.asarray(editor.edit(request(upload, mask=mask)).edited_image)
    inside = np.asarray(mask) > 0
    assert np.array_equal(result[~inside], np.asarray(upload)[~inside])
    assert not np.array_equal(result[inside], np.asarray(upload)[inside])


def test_a_seed_is_drawn_reported_and_enough_to_repeat(editor):
    first, second = (editor.edit(request(seed=None)) for _ in range(2))
    assert first.seed != second.seed and first.edit.seed == first.seed
    assert first.edited_image == editor.edit(first.edit).edited_image


def test_interleaved_edits_are_as_if_alone(editor):
    requests = [
        request(seed=1),
        request(tiny.photo(seed=4), seed=2, image_guidance_scale=1, edit_prompt="add snow"),
    ]
    alone = [editor.edit(one).edited_image for one in requests]
    streams = [editor.stream(one) for one in requests]
    together: dict[int, Image.Image] = {}
    while len(together) < 2:
        for place, stream in enumerate(streams):
            try:
                if place not in together:
                    next(stream).preview()
            except StopIteration as end:
                together[place] = end.value.edited_image
    assert alone == [together[0], together[1]]


def state(editor):
    model = editor.model
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.unet.modules()]
    weights = [parameter._version for parameter in model.unet.parameters()]
    return (
        hooks,
        weights,
        str(model.scheduler.__dict__),
        dict(model.unet.attn_processors),
        model.unet.training,
    )


def test_nothing_of_an_edit_is_left_after_success_error_or_cancel(editor):
    before = state(editor)
    expected = editor.edit(request()).edited_image
    cancelled = editor.stream(request(seed=9))
    next(cancelled)
    cancelled.close()
    assert torch.is_grad_enabled()
    with pytest.raises(InvalidEdit):
        editor.edit(request("missing.png"))
    assert state(editor) == before
    assert editor.edit(request()).edited_image == expected


def test_steps_can_be_watched(editor):
    steps, result = finished(editor.stream(request(tiny.photo((61, 83)))))
    assert [step.index for step in steps] == [0, 1, 2, 3] and result.num_unet_rows == 12
    preview = steps[1].preview()
    assert preview.mode == "RGB" and max(preview.size) <= 64


def test_edit_many_is_edit_many_times(editor):
    edits = [
        request(seed=1),
        request(tiny.photo((61, 83)), seed=2),
        request(seed=3, guidance_scale=2),
        request(tiny.photo(seed=8), seed=4, edit_prompt="add snow"),
        request(seed=5),
    ]
    for together, edit in zip(editor.edit_many(edits, batch_size=2), edits, strict=True):
        alone = editor.edit(edit)
        difference = np.asarray(together.edited_image).astype(int) - np.asarray(alone.edited_image)
        assert np.abs(difference).max() <= 1
        assert (together.seed, together.num_unet_rows) == (alone.seed, alone.num_unet_rows)


def test_each_edit_is_that_of_the_one_and_fails_alone(editor, tmp_path):
    (tmp_path / "page.png").write_text("<html>")
    edits = [
        request(seed=1),
        request(tmp_path / "page.png"),
        request(tiny.photo((61, 83)), seed=2),
        request(edit_prompt="snow " * 200),
        request(tiny.photo(seed=8), seed=4, edit_prompt="add snow"),
    ]
    ended = dict(editor.edit_each(edits, batch_size=1))
    assert list(ended) == [0, 1, 2, 3, 4] and all(isinstance(ended[place], InvalidEdit) for place in (1, 3))
    together = dict(editor.edit_each(edits, batch_size=2))
    for place in (0, 2, 4):
        alone = editor.edit(edits[place])
        for other in (ended[place], together[place]):
            difference = np.asarray(other.edited_image).astype(int) - np.asarray(alone.edited_image)
            assert np.abs(difference).max() <= 1 and other.seed == alone.seed


def test_no_more_than_two_batches_of_pictures_are_held(editor):
    sizes = [(40 + 16 * number, 64) for number in range(9)]  # no two go through the network together
    held, most = 0, 0

    def requests():
        nonlocal held, most
        for size in sizes:
            held += 1
            most = max(most, held)
            yield request(tiny.photo(size), num_inference_steps=1)

    for _ in editor.edit_each(requests(), batch_size=2):
        held -= 1
    assert most == 4 and held == 0


def test_where_a_batch_fails_its_edits_are_tried_alone(editor, monkeypatch):
    run = type(editor)._run

    def small(self, jobs, *, keep):
        if len(jobs) > 1 or jobs[0].seed == 2:
            raise EditFailed("The device ran out of memory; choose a smaller picture, or device cpu.")
        return (yield from run(self, jobs, keep=keep))

    monkeypatch.setattr(type(editor), "_run", small)
    ended = dict(editor.edit_each([request(seed=seed) for seed in (1, 2, 3)], batch_size=3))
    assert isinstance(ended[1], EditFailed) and [ended[place].seed for place in (0, 2)] == [1, 3]


@pytest.mark.parametrize("text", ["clip", "bert"])
def test_an_instruction_over_the_window_is_an_error_that_quotes_what_was_cut(text):
    editor = InstructPix2PixEditor.from_pipeline(tiny.pipeline(text=text))
    window = tiny.NUM_WORDS_IN_WINDOW[text] - 2
    fits = " ".join(["snow"] * window)
    assert editor.edit(request(edit_prompt=fits, num_inference_steps=1))
    with pytest.raises(InvalidEdit, match=rf"edit_prompt: .*{window} tokens.*“red cat”"):
        editor.edit(request(edit_prompt=f"{fits} red cat"))


def test_every_step_a_schedule_has_can_be_taken_and_one_more_is_refused(editor):
    scheduler = editor.model.scheduler
    for offset in (0, 1):
        scheduler = type(scheduler).from_config(
            scheduler.config, num_train_timesteps=10, timestep_spacing="leading", steps_offset=offset
        )
        model = replace(editor.model, scheduler=scheduler)
        assert model.num_calls(10 - offset) == 10 - offset
        scheduler.set_timesteps(10 - offset)
        assert int(scheduler.timesteps.max()) <= 9
        with pytest.raises(InvalidEdit, match=f"1 to {10 - offset}"):
            model.num_calls(11 - offset)


def test_numbers_that_are_no_picture_are_an_error(editor):
    pipe = tiny.pipeline()
    with torch.no_grad():
        pipe.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(EditFailed, match="no picture"):
        InstructPix2PixEditor.from_pipeline(pipe).edit(request())


def test_running_out_of_memory_is_one_sentence(editor, monkeypatch):
    def exhausted(*args, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(editor.model), "decode", exhausted)
    with pytest.raises(EditFailed, match="out of memory; "):
        editor.edit(request())


def test_a_model_that_reads_no_picture_is_refused():
    with pytest.raises(IncompatibleModel, match=r"takes 4 channels.*8; .*train one"):
        InstructPix2PixEditor.from_pipeline(tiny.pipeline(kind="base"))


def test_a_pipeline_without_a_part_is_refused():
    with pytest.raises(IncompatibleModel, match="has no tokenizer; "):
        from_pipeline(SimpleNamespace())


def test_the_resolution_can_be_chosen(editor):
    seen = []
    hook = editor.model.unet.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].shape[-2:])
    )
    try:
        editor.edit(request(tiny.photo((300, 300)), num_inference_steps=1))
        editor.edit(request(tiny.photo((300, 300)), num_inference_steps=1, resolution=64))
    finally:
        hook.remove()
    assert [tuple(shape) for shape in seen] == [(8, 8), (16, 16)]


def test_any_scheduler_can_be_chosen(editor):
    for name, class_ in tiny.SCHEDULERS.items():
        chosen = editor.model.with_scheduler(name)
        assert isinstance(chosen.new_scheduler(), class_) and chosen.unet is editor.model.unet
        assert InstructPix2PixEditor(chosen).edit(request()).scheduler == class_.__name__
    with pytest.raises(InvalidEdit, match="choose from ddim"):
        editor.model.with_scheduler("magic")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError(
            "[enforce fail] data. DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("could not create a memory object"),
        MemoryError("Unable to allocate 9.00 GiB for an array"),
    ],
)
def test_a_computer_out_of_memory_is_one_sentence(error):
    with (
        pytest.raises(EditFailed, match="ran out of memory; choose a smaller"),
        failures_explained(),
    ):
        raise error


@pytest.mark.parametrize("where", ["read_picture", "transfer_change"])
def test_memory_may_run_out_before_the_model_and_after_it(editor, monkeypatch, where):
    def exhausted(*args, **options):
        raise MemoryError

    monkeypatch.setattr(f"editors.model.photo.{where}", exhausted)
    with pytest.raises(EditFailed, match="ran out of memory"):
        editor.edit(request(tiny.photo((61, 83))))


def test_any_other_runtime_error_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), failures_explained():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize("text", ["bert", "clip"])
def test_words_that_the_model_does_not_know_are_told_and_none_known_is_refused(text):
    pipe = tiny.pipeline(kind="edit", text=text)
    editor = InstructPix2PixEditor.from_pipeline(pipe)

    def carried_out(words):
        return editor.edit(
            InstructionEdit(original_image=tiny.photo(), edit_prompt=words, num_inference_steps=1, seed=1)
        )

    assert carried_out("a cat").notes == ()
    if text == "clip":  # it spells what it does not know, byte by byte
        assert carried_out("猫").notes == ()
        return
    (note,) = carried_out("a 猫 and a 犬").notes
    assert "“猫”" in note and "“犬”" in note and "“a”" not in note
    with pytest.raises(InvalidEdit, match=r"edit_prompt: the model knows no word of “猫 犬”; say it"):
        carried_out("猫 犬")
    long = "a 猫 " * 40
    with pytest.raises(InvalidEdit, match=r"would not see “[^\[]*猫"):
        carried_out(long)
