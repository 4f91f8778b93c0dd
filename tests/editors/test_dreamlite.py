"""DreamLite behind the same door: toys of the real classes edit as their pipelines do, and as every editor.

Each law is one of all backbones: the pipeline's own steps, two scales, sizes, masks, alpha, and nothing left
behind.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, DreamLiteMobilePipeline
from PIL import Image
from safetensors.torch import save_file
from transformers import Qwen3VLProcessor

from editors import (
    IncompatibleModel,
    InstructionEdit,
    InstructPix2PixEditor,
    InvalidEdit,
    PromptToPromptEditor,
)
from editors.forecast import computed_steps
from editors.model.backbones.qwen_processor import QwenProcessor
from editors.model.conditioning import Conditioning
from editors.model.loading.kinds import is_edit_model
from editors.model.loading.load import from_pipeline
from editors.requests.lora import Lora
from tests import tiny, tiny_dreamlite
from trainer.errors import InvalidConfig
from trainer.tasks.text_to_image import load_for_training

STEPS = 2
WORDS = "make it night"


@pytest.fixture(scope="module")
def pipe() -> Any:
    return tiny_dreamlite.pipeline()


@pytest.fixture(scope="module")
def editor(pipe: Any) -> InstructPix2PixEditor:
    return InstructPix2PixEditor.from_pipeline(pipe)


def edit(**options: Any) -> InstructionEdit:
    asked = {"original_image": tiny.photo((64, 64)), "edit_prompt": WORDS, "seed": 3, **options}
    return InstructionEdit(**{"num_inference_steps": STEPS, **asked})


def last(editor: InstructPix2PixEditor, **options: Any) -> torch.Tensor:
    return list(editor.stream(edit(**options)))[-1].latents


def processors(pipe: Any) -> list[int]:
    return [id(one) for one in pipe.unet.attn_processors.values()]


@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 96)])
def test_an_edit_is_that_of_the_pipeline_at_its_defaults(mobile: bool, size: tuple[int, int]) -> None:
    pipe = tiny_dreamlite.pipeline(mobile=mobile)
    photo = tiny.photo(size)
    drawn = {"prompt": WORDS, "image": photo, "num_inference_steps": STEPS, "output_type": "latent"}
    expected = pipe(**drawn, generator=torch.Generator().manual_seed(3)).images
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    assert mine.model.size_for(size) == size
    # The pipeline's language model reads all its prompts at once, which changes their last bits.
    torch.testing.assert_close(last(mine, original_image=photo), expected, rtol=0, atol=1e-5)


def test_it_recommends_what_its_pipeline_takes() -> None:
    for mobile, expected in ((False, (30, 3.5, 1.5)), (True, (4, 1, 1))):
        found = from_pipeline(tiny_dreamlite.pipeline(mobile=mobile)).recommended
        assert (found.num_inference_steps, found.guidance_scale, found.image_guidance_scale) == expected


@pytest.mark.parametrize(
    ("scales", "rows"), [((3.5, 1.5), 3), ((3.5, 1), 2), ((1.5, 1.5), 2), ((1, 1), 1), ((0, 1), 1)]
)
def test_rows_without_weight_are_not_computed(
    editor: InstructPix2PixEditor, scales: tuple[float, float], rows: int
) -> None:
    result = editor.edit(edit(guidance_scale=scales[0], image_guidance_scale=scales[1]))
    assert result.num_unet_rows == rows * STEPS


def test_scales_of_one_are_the_model_alone(editor: InstructPix2PixEditor, pipe: Any) -> None:
    """Which is what the sibling without guidance does, on the same weights."""
    mobile = DreamLiteMobilePipeline(**pipe.components)
    mobile.set_progress_bar_config(disable=True)
    expected = mobile(
        prompt=WORDS,
        image=tiny.photo((64, 64)),
        num_inference_steps=STEPS,
        output_type="latent",
        generator=torch.Generator().manual_seed(3),
    ).images
    assert torch.equal(last(editor, guidance_scale=1, image_guidance_scale=1), expected)


def test_picture_and_words_and_seed_matter(editor: InstructPix2PixEditor) -> None:
    one = last(editor)
    for other in ({"original_image": tiny.photo((64, 64), seed=1)}, {"edit_prompt": "snow"}, {"seed": 4}):
        assert not torch.allclose(last(editor, **other), one, atol=1e-3)


@pytest.mark.parametrize("size", [(61, 83), (333, 500)])
def test_size_alpha_and_mask_come_back(editor: InstructPix2PixEditor, size: tuple[int, int]) -> None:
    photo = tiny.photo(size).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(size))
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2))
    result = editor.edit(edit(original_image=photo, mask=mask)).edited_image
    assert result.size == size and result.mode == "RGBA"
    same = (np.asarray(result) == np.asarray(photo)).all(2)
    inside = np.asarray(mask) > 0
    assert same[~inside].all() and not same[inside].all()
    assert np.array_equal(np.asarray(result)[..., 3], np.asarray(photo)[..., 3])


def test_edits_of_a_batch_are_each_as_alone(editor: InstructPix2PixEditor) -> None:
    edits = [edit(edit_prompt=words, seed=seed) for words, seed in ((WORDS, 1), ("snow, and much of it", 2))]
    edits.append(edit(original_image=tiny.photo((64, 64), seed=5)))
    for one, result in zip(edits, editor.edit_many(edits), strict=True):
        alone = np.asarray(editor.edit(one).edited_image).astype(int)
        assert np.abs(alone - np.asarray(result.edited_image)).max() <= 1


def test_two_edits_at_once_are_each_as_alone(editor: InstructPix2PixEditor) -> None:
    asked = (edit(seed=1), edit(seed=2, edit_prompt="snow"))
    alone = [[step.latents for step in editor.stream(one)] for one in asked]
    streams: list[Iterator[Any]] = [editor.stream(one) for one in asked]
    together = [[next(stream).latents for stream in streams] for _ in range(STEPS)]
    for place, steps in enumerate(alone):
        assert all(torch.equal(step, both[place]) for step, both in zip(steps, together, strict=True))


def test_nothing_is_left_behind_where_an_edit_is_cut(editor: InstructPix2PixEditor, pipe: Any) -> None:
    before = processors(pipe), pipe.scheduler.timesteps.clone(), sorted(pipe.components)
    stream = editor.stream(edit())
    assert next(stream).preview().mode == "RGB"
    stream.close()
    after = processors(pipe), pipe.scheduler.timesteps, sorted(pipe.components)
    assert after[0] == before[0] and torch.equal(after[1], before[1]) and after[2] == before[2]


def test_steps_can_be_forecast(editor: InstructPix2PixEditor) -> None:
    plain, none = (
        [step.latents for step in editor.stream(edit(num_inference_steps=12, forecast=n))] for n in (None, 1)
    )
    assert all(torch.equal(one, other) for one, other in zip(plain, none, strict=True))
    result = editor.edit(edit(num_inference_steps=12, forecast=3))
    assert result.num_unet_rows == 3 * sum(computed_steps(12, 3)) < 36


def test_only_and_masks_hold(editor: InstructPix2PixEditor) -> None:
    held = editor.edit(edit(only=0.9))
    assert held.reach is not None
    everywhere = held.reach.everywhere
    plain = editor.edit(edit()).edited_image
    assert np.array_equal(np.asarray(everywhere), np.asarray(plain))


def test_what_it_cannot_do_is_a_sentence(editor: InstructPix2PixEditor, pipe: Any) -> None:
    mobile = InstructPix2PixEditor.from_pipeline(tiny_dreamlite.pipeline(mobile=True))
    for name, scale in (("guidance_scale", 3.5), ("image_guidance_scale", 1.5)):
        with pytest.raises(InvalidEdit, match=f"{name}: {scale} is not allowed: .* without guidance; give 1"):
            mobile.edit(edit(**{name: scale}))
    with pytest.raises(InvalidEdit, match=r"scheduler: 'ddim' is not for .*; leave it out"):
        editor.model.with_scheduler("ddim")
    with pytest.raises(IncompatibleModel, match="give a text-to-image model, or use"):
        PromptToPromptEditor.from_pipeline(pipe)
    with pytest.raises(IncompatibleModel, match="cannot steer"):
        editor.things(tiny.photo((64, 64)))
    with pytest.raises(InvalidEdit, match="edit_prompt: is too long"):
        editor.edit(edit(edit_prompt="a house and " * 80))
    with pytest.raises(IncompatibleModel, match="the UNet takes 4 channels and gives 4"):
        replace(editor.model, vae=tiny.components()["vae"].__class__(latent_channels=3))


def test_shorter_prompts_are_filled_up_and_masked() -> None:
    one, two = (
        Conditioning(states=torch.ones(1, length, 4), mask=torch.ones(1, length, dtype=torch.long))
        for length in (2, 5)
    )
    both = Conditioning.cat([one, two])
    assert both.mask is not None and both.mask.sum(1).tolist() == [2, 5]
    assert both.states.shape == (2, 5, 4) and both.states[0, 2:].eq(0).all()
    assert both.rows([1, 0, 1]).mask is not None and len(both.rows([1, 0, 1])) == 3
    assert set(both.unet_kwargs()) == {"encoder_hidden_states", "encoder_attention_mask"}


@pytest.mark.parametrize("mobile", [False, True])
def test_a_folder_gives_the_same_picture_as_the_pipeline_it_came_from(tmp_path: Path, mobile: bool) -> None:
    folder = tiny_dreamlite.folder(tmp_path, mobile=mobile)
    assert is_edit_model(folder)
    own = {"guidance_scale": None, "image_guidance_scale": None}
    one, other = (
        editor.edit(edit(**own)).edited_image.tobytes()
        for editor in (
            InstructPix2PixEditor.from_pretrained(str(folder), device="cpu"),
            InstructPix2PixEditor.from_pipeline(tiny_dreamlite.pipeline(mobile=mobile)),
        )
    )
    assert one == other


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    folder = tiny_dreamlite.folder(tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    lora = Lora(path=tmp_path / "ink.safetensors")
    save_file({"unet.a.lora_A.weight": torch.zeros(1)}, lora.path)
    with pytest.raises(IncompatibleModel, match="no LoRA can be laid over"):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[lora])
    with pytest.raises(InvalidConfig, match="layout of DreamLite, which is edited with but not trained"):
        load_for_training("init_from", str(folder), "edit")
    for part, named, says in (
        (
            "unet",
            ["diffusers", "UNet2DConditionModel"],
            "made of UNet2DConditionModel and AutoencoderTiny",
        ),
        ("processor", ["own_code", "Processor"], "its processor is code of its own"),
    ):
        (folder / "model_index.json").write_text(json.dumps({**index, part: named}))
        with pytest.raises(IncompatibleModel, match=says):
            InstructPix2PixEditor.from_pretrained(str(folder))
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "processor" / "preprocessor_config.json").write_text("{")
    with pytest.raises(IncompatibleModel, match="its processor cannot be read"):
        InstructPix2PixEditor.from_pretrained(str(folder))


def test_a_revision_follows_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_config(name: str, *, revision: str | None) -> dict[str, Any]:
        asked.append((name, revision))
        raise OSError("there is no network here")

    monkeypatch.setattr(DiffusionPipeline, "load_config", load_config)
    for name in ("someone/lite", "someone/lite@diffusers"):
        with pytest.raises(IncompatibleModel, match=f"{name}: .*could not be fetched"):
            InstructPix2PixEditor.from_pretrained(name)
    assert asked == [("someone/lite", None), ("someone/lite", "diffusers")]


def test_pictures_and_words_are_read_as_transformers_reads_them() -> None:
    class WithoutVideos(Qwen3VLProcessor):
        def check_argument_for_proper_class(self, *_: Any) -> None:
            """Take None for what reads videos, which needs one more package."""

    images, words = tiny_dreamlite.image_processor(), tiny_dreamlite.tokenizer()
    told: dict[str, Any] = {
        "text": ["<|vision_start|><|image_pad|><|vision_end|>make it night", "<|image_pad|>snow <|im_end|>"],
        "images": [tiny.photo((64, 32)), tiny.photo((512, 512), seed=1)],
        "padding": True,
        "return_tensors": "pt",
    }
    mine, theirs = QwenProcessor(images, words)(**told), WithoutVideos(images, words, None)(**told)
    assert set(mine) == set(theirs)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
