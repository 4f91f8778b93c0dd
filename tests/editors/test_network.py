"""The border: what it predicts is what the module says, and conditions without weight are not asked."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from editors import InstructionEdit, InstructPix2PixEditor
from editors.guidance import Dual, Plain, cfg, dual
from editors.model.conditioning import Conditioning
from editors.model.loading.load import from_pipeline
from editors.model.network import GuidedNetwork, Network, Rows
from tests import tiny

TIMESTEP = torch.tensor(500)


@pytest.mark.parametrize("text", ["clip", "bert", "xl"])
@pytest.mark.parametrize("kind", ["base", "edit"])
@torch.no_grad()
def test_a_prediction_is_what_the_module_says_bit_for_bit(text: Any, kind: Any) -> None:
    model = from_pipeline(tiny.pipeline(kind=kind, text=text))
    told = model.condition(["a cat", "a dog in the snow"], size=(32, 32))
    latents, picture = torch.randn(2, 2, model.latent_channels, 8, 8, generator=torch.manual_seed(0))
    shown = picture if kind == "edit" else None
    rows = latents if shown is None else torch.cat([latents, shown], dim=1)
    expected = model.unet(rows, TIMESTEP, **told.unet_kwargs()).sample
    assert torch.equal(model.network.predict(latents, TIMESTEP, told, picture=shown), expected)


def test_a_prediction_is_in_float32_whatever_the_network_computes_in() -> None:
    model = from_pipeline(tiny.pipeline(kind="base"))
    model.network.module.to(torch.bfloat16)
    told = model.condition(["a cat"], size=(32, 32))
    output = model.network.predict(torch.randn(1, 4, 8, 8), TIMESTEP, told)
    assert model.network.dtype == torch.bfloat16 and output.dtype == torch.float32


class Asked(torch.nn.Module):
    """Answers rows by the first number that it is told of each, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.rows: list[int] = []

    def forward(
        self, latents: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **_: Any
    ) -> tuple[Tensor]:
        self.rows.append(len(latents))
        return (latents[:, :4] * encoder_hidden_states[:, :1, :1, None],)


def rows_of(number: float, count: int = 3, picture: Tensor | None = None) -> Rows:
    states = torch.full((count, 2, 2), number)
    return Rows(conditioning=Conditioning(states=states), picture=picture)


@pytest.mark.parametrize(("scale", "num_rows"), [(0.0, 3), (1.0, 3), (4.0, 6)])
def test_plain_guidance_asks_for_what_has_a_weight(scale: float, num_rows: int) -> None:
    module, latents = Asked(), torch.randn(3, 4, 8, 8)
    told = {"unconditional": rows_of(2.0), "conditional": rows_of(5.0)}
    guided = GuidedNetwork(Network(module), Plain(scale), told)
    expected = cfg(2 * latents, 5 * latents, scale)
    assert torch.allclose(guided(latents, TIMESTEP, 0), expected, atol=1e-5)
    assert module.rows == [num_rows] and guided.num_rows == num_rows


@pytest.mark.parametrize(
    ("s_image", "s_text", "num_rows"), [(1.5, 7.5, 9), (1, 1, 3), (2, 2, 6), (1.5, 0, 6)]
)
def test_dual_guidance_asks_for_what_has_a_weight(s_image: float, s_text: float, num_rows: int) -> None:
    module, latents = Asked(), torch.randn(3, 4, 8, 8)
    picture = torch.randn(3, 4, 8, 8)
    told = {
        "full": rows_of(5.0, picture=picture),
        "image": rows_of(3.0, picture=picture),
        "uncond": rows_of(2.0, picture=torch.zeros_like(picture)),
    }
    guided = GuidedNetwork(Network(module), Dual(s_image, s_text), told)
    expected = dual(2 * latents, 3 * latents, 5 * latents, s_image, s_text)
    assert torch.allclose(guided(latents, TIMESTEP, 0), expected, atol=1e-5)
    assert module.rows == [num_rows]


@dataclass(frozen=True, slots=True)
class Beside:
    """The picture to the right of the noise: what a model reads that was made for diptychs."""

    def join(self, latents: Tensor, picture: Tensor) -> Tensor:
        return torch.cat([latents, picture], dim=3)

    def prediction(self, output: Tensor, latents: Tensor) -> Tensor:
        return output[..., : latents.shape[-1]]


def test_how_the_picture_enters_is_a_value() -> None:
    latents, picture = torch.randn(2, 3, 4, 8, 8)
    told = rows_of(2.0).conditioning
    output = Network(Asked(), Beside()).predict(latents, TIMESTEP, told, picture=picture)
    assert torch.equal(output, 2 * latents)


def test_an_editor_follows_instructions_by_a_network_whose_picture_enters_otherwise() -> None:
    """The picture stands beside the noise in the plane, and nothing but its way in is told to anyone."""
    base = from_pipeline(tiny.pipeline(kind="base"))
    assert base.kind == "base"
    model = replace(base, picture_input=Beside())
    assert model.kind == "edit"
    edit = InstructionEdit(
        original_image=tiny.photo((32, 32)), edit_prompt="make it red", num_inference_steps=2, seed=0
    )
    first, again = (InstructPix2PixEditor(model).edit(edit).edited_image for _ in range(2))
    assert first.size == (32, 32) and first.tobytes() == again.tobytes()
    other = replace(edit, original_image=tiny.photo((32, 32), seed=1), full_size="resize")
    same = replace(edit, full_size="resize")
    pictures = [InstructPix2PixEditor(model).edit(one).edited_image.tobytes() for one in (same, other)]
    assert pictures[0] != pictures[1]  # what is drawn depends on the picture
