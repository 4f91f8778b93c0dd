"""Heat maps of words, against maps that are built; and that asking for them changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from PIL import Image
from torch.nn.functional import interpolate

from editors.model.attention import install
from editors.model.tokens import TokenizedPrompt
from editors.prompt_to_prompt.alignment import replacement_mapper
from editors.prompt_to_prompt.controls import EditControl, Observation, Replace, RowControl, compose, schedule
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.prompt_to_prompt.heat_maps import HeatMaps, sheet
from editors.prompt_to_prompt.windows import window_alphas
from editors.requests.edits import PromptEdit
from tests import tiny
from tests.editors.attention_reference import ExplicitAttention, OfficialEdit

TEXTS = ("a cat on a bench", "a chinchilla on a bench")
SIZE = (8, 12)


@torch.no_grad()
def test_a_word_s_map_is_the_average_of_the_edited_maps_of_its_tokens():
    parts = tiny.components(kind="base")
    unet, tokenizer = parts["unet"], parts["tokenizer"]
    original, edited = (TokenizedPrompt.of(text, tokenizer) for text in TEXTS)
    ids = [tokenizer(text, padding="max_length", return_tensors="pt").input_ids for text in ("", "", *TEXTS)]
    text = torch.cat([parts["text_encoder"](each)[0] for each in ids])
    latents = torch.randn(4, 4, *SIZE, generator=torch.Generator().manual_seed(0))
    mapper = replacement_mapper(original, edited)
    alphas = window_alphas({"chinchilla": 0, "default": 1}, edited, 1)

    heat = HeatMaps(install(unet), (original, edited), size=SIZE)
    mix = schedule(
        compose([Replace(mapper)], edited.num_tokens), alphas, device=torch.device("cpu"), dtype=torch.float32
    )
    control = EditControl(
        rows=(RowControl(original=2, edited=3, cross=mix),),
        observations=(Observation(original=2, edited=3, observer=heat),),
    )
    unet(latents, 500, encoder_hidden_states=text, cross_attention_kwargs={"control": control, "step": 0})

    theirs = OfficialEdit(mapper=mapper, cross=alphas)
    unet.set_attn_processor(
        {name: ExplicitAttention(name.removesuffix(".processor"), theirs) for name in unet.attn_processors}
    )
    unet(latents, 500, encoder_hidden_states=text)
    unet.set_attn_processor(AttnProcessor2_0())

    total = torch.zeros(2, edited.num_tokens, *SIZE)
    for is_cross, maps in theirs.seen:
        if is_cross:
            level = 0 if maps.shape[2] == SIZE[0] * SIZE[1] else 1
            grid = [side // 2**level for side in SIZE]
            mean = maps.mean(1).transpose(1, 2).unflatten(2, grid)
            total += interpolate(mean, SIZE, mode="bilinear", align_corners=False)
    found = heat.by_word()
    assert list(found) == ["a", "cat", "on", "bench", "chinchilla"]
    for word, row, prompt in (("cat", 0, original), ("chinchilla", 1, edited), ("a", 1, edited)):
        expected = total[row, list(prompt.find(word, field=""))].sum(0)
        np.testing.assert_allclose(found[word], (expected / expected.max()).numpy(), atol=1e-5)


@pytest.mark.parametrize("photo", [None, tiny.photo((61, 83))])
def test_heat_maps_come_when_asked_for_and_change_no_picture(photo):
    editor = PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="base"), cache_bytes=0)
    told: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "original_image": photo}
    words: dict[str, Any] = {"original_prompt": TEXTS[0], "edited_prompt": TEXTS[1]}
    without, asked = (editor.edit(PromptEdit(**told, **words, heat_maps=ask)) for ask in (False, True))
    assert without.heat_maps is None and asked.heat_maps is not None
    assert np.array_equal(np.asarray(without.edited_image), np.asarray(asked.edited_image))
    for heat in asked.heat_maps.values():
        assert heat.dtype == np.float32 and heat.min() >= 0 and heat.max() == 1
    paper = sheet(asked.edited_image, asked.heat_maps)
    width, height = asked.edited_image.size
    assert paper.size == (4 * width, 2 * height)


def test_a_sheet_is_bright_where_a_word_is_looked_at():
    left = np.zeros((4, 4), np.float32)
    left[:, :2] = 1
    shown = np.asarray(sheet(Image.new("RGB", (64, 64), (200, 200, 200)), {"": left})).astype(int)
    assert shown[40:, :16].min() > 180 and shown[40:, 48:].max() < 80
