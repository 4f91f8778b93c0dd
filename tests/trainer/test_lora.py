"""Laws: LoRA begins as nothing, trains conv_in and low ranks alone, and is exported as a plain model."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from editors import InstructPix2PixEditor
from tests.trainer import toy
from tests.trainer.test_loop import fingerprint, finish
from trainer.errors import ConfigChanged
from trainer.loop import train
from trainer.runs.checkpoint import newest
from trainer.tasks import instruct_pix2pix


def inputs(unet):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, unet.config.in_channels, 8, 8, generator=generator)
    text = torch.randn(2, 5, unet.config.cross_attention_dim, generator=generator)
    return latents, torch.tensor([10, 700]), text


def test_lora_begins_as_nothing_and_trains_little(chain, tmp_path):
    plain = instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / "plain")).model
    lora = instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / "lora", lora_rank=2)).model
    with torch.no_grad():
        assert torch.equal(plain(*inputs(plain)).sample, lora(*inputs(lora)).sample)
    trained = {name for name, parameter in lora.named_parameters() if parameter.requires_grad}
    assert {"conv_in.weight", "conv_in.bias"} < trained
    assert all("lora_" in name for name in trained if not name.startswith("conv_in"))


def test_the_export_is_a_plain_model_that_says_what_the_trained_one_says(chain, tmp_path):
    config = toy.edit_config(chain, out=tmp_path / "run", steps=3, lora_rank=2, learning_rate=1e-2)
    exported = UNet2DConditionModel.from_pretrained(finish(config) / "model" / "unet")
    assert not any("lora" in name for name in exported.state_dict())
    task = instruct_pix2pix.make_task(config)
    state = newest(config.out)
    assert state is not None
    task.model.load_state_dict(state.weights | state.average)
    start = instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / "plain")).model
    with torch.no_grad():
        ours, theirs, before = (unet(*inputs(unet)).sample for unet in (task.model, exported, start))
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(before, theirs, atol=1e-3)


def test_what_an_edit_model_learns_is_a_lora_over_it(chain, tmp_path):
    before = finish(toy.edit_config(chain, out=tmp_path / "before", steps=2)) / "model"
    config = toy.edit_config(
        chain, base=str(before), out=tmp_path / "run", steps=3, lora_rank=2, learning_rate=1e-2
    )
    exported = finish(config) / "model"
    plain, over, whole = (
        InstructPix2PixEditor.from_pretrained(str(folder), loras=loras).model.unet.state_dict()
        for folder, loras in (
            (before, ()),
            (before, [exported / "pytorch_lora_weights.safetensors"]),
            (exported, ()),
        )
    )
    assert over.keys() == whole.keys()
    assert all(torch.allclose(over[name], whole[name], atol=1e-6) for name in whole)
    assert any(not torch.allclose(plain[name], whole[name], atol=1e-4) for name in whole)


def test_a_run_that_an_earlier_version_began_over_an_edit_model_is_refused_by_name(chain, tmp_path):
    before = finish(toy.edit_config(chain, out=tmp_path / "before", steps=2)) / "model"
    options = {"steps": 4, "checkpoint_every": 1, "lora_rank": 2}
    config = toy.edit_config(chain, base=str(before), out=tmp_path / "run", **options)
    steps = train(config)
    for _ in range(3):
        next(steps)
    steps.close()
    place = config.out / "fingerprint.json"
    told = json.loads(place.read_text())
    del told["lora"]
    place.write_text(json.dumps(told))
    with pytest.raises(ConfigChanged, match="began with other inputs: lora"):
        next(train(config))


def test_lora_goes_on_to_the_same_bytes(chain, tmp_path):
    whole = fingerprint(finish(toy.edit_config(chain, out=tmp_path / "whole", steps=4, lora_rank=2)))
    config = toy.edit_config(chain, out=tmp_path / "cut", steps=4, lora_rank=2)
    steps = train(config)
    for _ in range(3):
        next(steps)
    steps.close()
    assert fingerprint(finish(config)) == whole
