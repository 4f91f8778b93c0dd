"""Law 9: the widened UNet is the base bit for bit, whatever the new channels hold."""

from pathlib import Path

import pytest
import torch

from editors.model.unets import widen
from tests import tiny
from tests.trainer import toy
from trainer.errors import InvalidConfig
from trainer.tasks import instruct_pix2pix


def test_widened_unet_is_the_base_whatever_picture_it_is_shown() -> None:
    base = tiny.components(kind="base")["unet"]
    edit = widen(base).eval()
    noise = torch.Generator().manual_seed(0)
    latents, picture = (torch.randn(2, 4, 8, 8, generator=noise) for _ in range(2))
    text = torch.randn(2, 5, 32, generator=noise)
    t = torch.tensor([10, 900])
    with torch.no_grad():
        expected = base(latents, t, text).sample
        shown = edit(torch.cat([latents, picture * 100], dim=1), t, text).sample
    assert torch.equal(shown, expected)
    assert torch.equal(edit.conv_in.bias, base.conv_in.bias)
    assert edit.config.in_channels == 8


def test_a_base_in_the_layout_of_xl_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    tiny.pipeline(kind="base", text="xl").save_pretrained(tmp_path / "base" / "model")
    with pytest.raises(InvalidConfig, match=r"in the layout of Stable Diffusion XL, .* not trained; give"):
        instruct_pix2pix.make_task(toy.edit_config(tmp_path))
