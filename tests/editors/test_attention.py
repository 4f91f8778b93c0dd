"""The processor: nothing without a control, and everything in the call."""

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0
from torch.nn.functional import scaled_dot_product_attention

from editors.errors import IncompatibleModel
from editors.model.attention import AttentionSite, ControlledAttnProcessor, install
from editors.prompt_to_prompt.controls import EditControl
from tests import tiny


class Spy:
    """A control that attends plainly and notes where and when it was asked."""

    def __init__(self):
        self.asked = []

    def attend(self, query, key, value, mask, *, site, step):
        self.asked.append((site, step, query.shape))
        return scaled_dot_product_attention(query, key, value, attn_mask=mask)


def inputs(rows=4, channels=4, size=(8, 12), tokens=77):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(rows, channels, *size, generator=generator),
        torch.tensor(500),
        torch.randn(rows, tokens, 32, generator=generator),
    )


@torch.no_grad()
def run(unet, latents, timestep, states, **options):
    return unet(latents, timestep, encoder_hidden_states=states, **options).sample


@pytest.mark.parametrize("text", ["clip", "bert"])
@pytest.mark.parametrize("masked", [False, True])
def test_without_a_control_the_bits_are_those_of_diffusers(text, masked):
    unet = tiny.components(kind="base", text=text)["unet"]
    batch = inputs(channels=unet.config.in_channels)
    mask = {"encoder_attention_mask": (torch.arange(77) < 20).expand(4, -1)} if masked else {}
    unet.set_attn_processor(AttnProcessor2_0())
    stock = run(unet, *batch, **mask)
    install(unet)
    assert torch.equal(run(unet, *batch, **mask), stock)
    for control in (None, Spy(), EditControl(rows=())):
        kwargs = {"control": control, "step": 3}
        assert torch.equal(run(unet, *batch, cross_attention_kwargs=kwargs, **mask), stock)


def test_every_site_is_asked_with_its_place_and_the_step():
    unet = tiny.components(kind="base")["unet"]
    sites = install(unet)
    spy = Spy()
    run(unet, *inputs(size=(6, 11)), cross_attention_kwargs={"control": spy, "step": 7})
    assert {site for site, _, _ in spy.asked} == set(sites)
    assert len(spy.asked) == len(sites) == len(unet.attn_processors)
    for site, step, shape in spy.asked:
        rows, columns = site.grid(6, 11)
        assert step == 7 and shape[2] == rows * columns
        assert site.is_cross == site.name.endswith("attn2")


def test_levels_count_the_halvings():
    unet = tiny.components(kind="base")["unet"]
    levels = {site.name.split(".attentions")[0]: site.level for site in install(unet)}
    expected = {"down_blocks.0": 0, "down_blocks.1": 1, "mid_block": 1, "up_blocks.0": 1, "up_blocks.1": 0}
    assert levels == expected
    assert AttentionSite(name="", is_cross=True, level=2).grid(64, 97) == (16, 25)


def test_installing_twice_changes_nothing():
    unet = tiny.components(kind="base")["unet"]
    sites = install(unet)
    before = dict(unet.attn_processors)
    assert install(unet) == sites
    assert all(unet.attn_processors[name] is processor for name, processor in before.items())
    assert all(isinstance(processor, ControlledAttnProcessor) for processor in before.values())


def test_attention_that_cannot_be_steered_is_refused_and_left_alone():
    unet = tiny.components(kind="base")["unet"]
    name = next(site for site in unet.attn_processors if "attn2" in site and "up" in site)
    attention = unet.get_submodule(name.removesuffix(".processor"))
    attention.set_processor(IPAdapterAttnProcessor2_0(hidden_size=32, cross_attention_dim=32))
    with pytest.raises(IncompatibleModel, match="IPAdapterAttnProcessor2_0"):
        install(unet)
    assert not any(isinstance(each, ControlledAttnProcessor) for each in unet.attn_processors.values())
    with pytest.raises(IncompatibleModel, match="no attention"):
        install(torch.nn.Linear(2, 2))
