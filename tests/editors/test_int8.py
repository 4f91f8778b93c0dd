"""Matrices of large models in eight bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn.utils import parametrize

from editors import InstructionEdit, InstructPix2PixEditor, PromptEdit, PromptToPromptEditor
from editors.model.int8 import Int8, hold_in_int8, is_held_in_int8
from editors.model.loading import checkpoints
from editors.model.loading.load import load
from editors.model.loading.needs import needs_of
from editors.requests.lora import Lora
from tests import tiny, tiny_klein
from tests.large_toys import DRAWING, FAMILIES


@given(
    seed=st.integers(0, 99), size=st.integers(-12, 12), dtype=st.sampled_from([torch.float32, torch.bfloat16])
)
def test_a_weight_is_off_by_half_a_step_at_most(seed: int, size: int, dtype: torch.dtype) -> None:
    rows = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))
    weight = (rows * 10.0**size * torch.tensor([[1.0], [100.0], [0.01], [1.0], [0.0]])).to(dtype)
    steps, scales = Int8().right_inverse(weight)
    assert (steps.dtype, scales.dtype, scales.shape) == (torch.int8, dtype, (5, 1))
    exact = steps.double() * scales.double()
    largest = weight.double().abs().amax(dim=1, keepdim=True)
    # The scale is rounded to its format: the largest of a row may lie beyond 127 of its steps by that.
    assert ((exact - weight.double()).abs() <= largest / 254 * (1 + 2 * torch.finfo(dtype).eps)).all()
    assert torch.equal(Int8()(steps, scales), exact.to(dtype)) and not exact[4].any()


def test_linear_layers_are_held_and_nothing_else() -> None:
    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(9, 8)
            self.inner, self.head = torch.nn.Linear(8, 8), torch.nn.Linear(8, 9)
            self.head.weight = self.words.weight
            self.norm, self.conv = torch.nn.LayerNorm(8), torch.nn.Conv2d(1, 1, 1)

    reader = Reader()
    shown = torch.randn(3, 8)
    before = reader.inner(shown)
    assert not is_held_in_int8(reader)
    hold_in_int8(reader)
    held = {name: one.dtype for name, one in reader.state_dict().items() if one.dtype == torch.int8}
    assert held == {"inner.parametrizations.weight.original0": torch.int8} and is_held_in_int8(reader)
    assert reader.head.weight is reader.words.weight
    assert isinstance(reader.inner, torch.nn.Linear)
    assert torch.equal(
        reader.inner(shown), torch.nn.functional.linear(shown, reader.inner.weight, reader.inner.bias)
    )
    assert 0 < (reader.inner(shown) - before).abs().max() < 0.02 * before.abs().max()
    kept = reader.inner.weight
    hold_in_int8(reader)  # again: as it is
    assert torch.equal(reader.inner.weight, kept)


def kind_of(name: str) -> Any:
    return "base" if name in DRAWING else "edit"


def edited(name: str, model: Any) -> Any:
    few: dict[str, Any] = {"num_inference_steps": 2, "seed": 3}
    if name in DRAWING:
        return PromptToPromptEditor(model).edit(
            PromptEdit(original_prompt="a cat", edited_prompt="a dog", width=48, height=40, **few)
        )
    photo = tiny.photo((64, 64))
    return InstructPix2PixEditor(model).edit(
        InstructionEdit(original_image=photo, edit_prompt="make it night", resolution=64, **few)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_in_eight_bits_draws_with_the_matrices_that_it_holds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(FAMILIES[name].folder(tmp_path))
    needs = needs_of(folder, device="cpu")
    read: list[Any] = []
    peak = 0

    def num_bytes(parts: list[Any], *, wide: int = 4) -> int:
        """Of parts; some share a matrix, and a counter of batches is counted as a weight."""
        held = [one for part in parts for one in part.state_dict().values()]
        sizes = {torch.int8: 1, torch.bfloat16: wide}
        return sum({one.data_ptr(): one.numel() * sizes.get(one.dtype, 4) for one in held}.values())

    weights_of = checkpoints._weights

    def one_after_the_other(*args: Any, **named: Any) -> Any:
        nonlocal peak
        found = weights_of(*args, **named)
        # What is left of the parts before, in the format that it will be computed in, and this as a whole.
        peak = max(peak, num_bytes(read) + num_bytes([found], wide=2))
        read.append(found)
        return found

    monkeypatch.setattr(checkpoints, "_weights", one_after_the_other)
    small = load(folder, kind=kind_of(name), device="cpu", memory="int8")
    monkeypatch.undo()
    assert len(read) == len(small.text.text_encoders) + 2
    left = num_bytes(read)
    assert needs is not None and needs.num_int8_bytes == left
    assert needs.num_bytes_to_int8 == max(peak, left)
    assert not is_held_in_int8(small.vae) and small.dtype == torch.float32

    whole = load(folder, kind=kind_of(name), device="cpu", dtype=torch.float32)
    plain = edited(name, whole)
    parts = zip(
        [*small.text.text_encoders, small.network.module],
        [*whole.text.text_encoders, whole.network.module],
        strict=True,
    )
    for part, other in parts:
        for one in other.state_dict().values():  # as the weights were read
            one.copy_(one.bfloat16())
        for place, layer in part.named_modules():
            if parametrize.is_parametrized(layer):
                other.get_submodule(place).weight.data = layer.weight
    ours, theirs = edited(name, small), edited(name, whole)
    assert np.array_equal(np.asarray(ours.edited_image), np.asarray(theirs.edited_image))
    assert ours.dtype == "float32, int8 weights" and plain.dtype == "float32"
    assert ours.num_unet_rows == plain.num_unet_rows


def test_a_lora_is_laid_over_matrices_as_they_were_written(tmp_path: Path) -> None:
    folder = str(tiny_klein.folder(tmp_path / "model"))
    plain = load(folder, kind="edit", device="cpu", dtype=torch.bfloat16)
    layer = "transformer_blocks.0.attn.to_q"
    out, into = plain.unet.get_submodule(layer).weight.shape
    random = torch.Generator().manual_seed(0)
    down, up = (0.1 * torch.randn(size, generator=random) for size in ((2, into), (out, 2)))
    file = tmp_path / "ink.safetensors"
    save_file({f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}, file)
    lora = Lora(path=file)
    whole = load(folder, kind="edit", device="cpu", dtype=torch.bfloat16, loras=[lora])
    small = load(folder, kind="edit", device="cpu", memory="int8", loras=[lora])
    assert all(is_held_in_int8(part) for part in (*small.text.text_encoders, small.network.module))
    expected, held = whole.unet.get_submodule(layer), small.unet.get_submodule(layer)
    assert not torch.equal(expected.weight, plain.unet.get_submodule(layer).weight)
    steps, scales = Int8().right_inverse(expected.weight.data)
    assert torch.equal(held.weight, steps * scales.float())


@pytest.mark.gpu
@pytest.mark.parametrize("name", FAMILIES)
def test_on_a_card_it_is_the_picture_of_the_processor(name: str, tmp_path: Path) -> None:
    folder = str(FAMILIES[name].folder(tmp_path))
    models = [
        load(folder, kind=kind_of(name), device=device, dtype=torch.float32, memory="int8")
        for device in ("cuda", "cpu")
    ]
    ours, theirs = (np.asarray(edited(name, model).edited_image).astype(int) for model in models)
    assert np.abs(ours - theirs).max() <= 2
    held = models[0].unet.state_dict().values()
    assert {one.device.type for one in held} == {"cuda"} and any(one.dtype == torch.int8 for one in held)
