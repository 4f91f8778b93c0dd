"""LoRAs of all layouts are laid over a model as diffusers does it; scale 0 is the model, bit for bit."""

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file

from editors import (
    IncompatibleModel,
    InstructionEdit,
    InstructPix2PixEditor,
    InvalidEdit,
    Lora,
    PromptEdit,
    PromptToPromptEditor,
)
from editors.model.loading.lora_files import weights_of
from tests import tiny, tiny_dreamlite, tiny_longcat, tiny_qwen
from tests.large_toys import DRAWING, FAMILIES

RANK, ALPHA = 3, 6
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


def trained(module, *, seed=0, targets=TARGETS):
    """Give a module low-rank products, as if they were trained, and return them by peft's names."""
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, init_lora_weights=False)
    torch.manual_seed(seed)
    inject_adapter_in_model(config, module)
    return {name: weight.clone().contiguous() for name, weight in get_peft_model_state_dict(module).items()}


def scaled(products):
    """The products with their factor α/r multiplied in, as files without an α are read."""
    return {name: value * (ALPHA / RANK if "lora_B" in name else 1) for name, value in products.items()}


def diffusers_layout(products, folder):
    save_file(
        {f"unet.{name}": value for name, value in scaled(products).items()}, folder / "lora.safetensors"
    )
    return folder / "lora.safetensors"


def diffusers_old_layout(products, folder):
    def named(name):
        name = name.replace(".to_out.0.", ".to_out.")
        place, layer, factor, _ = name.rsplit(".", 3)
        return f"unet.{place}.processor.{layer}_lora.{'down' if factor == 'lora_A' else 'up'}.weight"

    save_file({named(name): value for name, value in scaled(products).items()}, folder / "old.safetensors")
    return folder / "old.safetensors"


def kohya_layout(products, folder):
    weights = {}
    for name, value in products.items():
        place, factor, _ = name.rsplit(".", 2)
        stem = f"lora_unet_{place.replace('.', '_')}"
        weights[f"{stem}.{'lora_down' if factor == 'lora_A' else 'lora_up'}.weight"] = value
        weights[f"{stem}.alpha"] = torch.tensor(float(ALPHA))
    save_file(weights, folder / "kohya.safetensors")
    return folder / "kohya.safetensors"


def peft_layout(products, folder):
    place = folder / "peft"
    place.mkdir()
    weights = {f"base_model.model.{name}": value for name, value in products.items()}
    save_file(weights, place / "adapter_model.safetensors")
    (place / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": ALPHA}))
    return place


LAYOUTS = [diffusers_layout, diffusers_old_layout, kohya_layout, peft_layout]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("edit")
    tiny.pipeline(kind="edit").save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def products(folder):
    return trained(StableDiffusionInstructPix2PixPipeline.from_pretrained(folder).unet)


def edit(**changes):
    options = {"edit_prompt": "make it night", "num_inference_steps": 3, "seed": 3, "full_size": "resize"}
    return InstructionEdit(original_image=tiny.photo(), **{**options, **changes})


def pixels(editor):
    return np.asarray(editor.edit(edit()).edited_image, np.float32) / 255


def state(editor):
    return {name: value.clone() for name, value in editor.model.unet.state_dict().items()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scale", [1.0, 0.5, -1.0])
def test_a_lora_is_what_it_was_trained_to_be(folder, products, tmp_path, layout, scale):
    path = layout(products, tmp_path)
    editor = InstructPix2PixEditor.from_pretrained(str(folder), loras=[f"{path}={scale}"])
    plain = state(InstructPix2PixEditor.from_pretrained(str(folder)))
    found = state(editor)
    assert found.keys() == plain.keys(), "nothing of peft is left on the model"
    for name, weight in plain.items():
        layer = name.removesuffix(".weight")
        product = 0.0
        if f"{layer}.lora_A.weight" in products:
            down, up = (products[f"{layer}.lora_{factor}.weight"] for factor in "AB")
            product = scale * ALPHA / RANK * up @ down
        assert torch.allclose(found[name], weight + product, atol=1e-6), name
    assert editor.model.notes == ()


@pytest.mark.parametrize("layout", [diffusers_layout, kohya_layout])
def test_an_edit_with_a_lora_is_that_of_diffusers(folder, products, tmp_path, layout):
    path = layout(products, tmp_path)
    pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder)
    pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="a")
    pipe.set_adapters(["a"], [0.7])
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        "make it night",
        image=tiny.photo(),
        num_inference_steps=3,
        guidance_scale=7.5,
        image_guidance_scale=1.5,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).images[0]
    editor = InstructPix2PixEditor.from_pretrained(str(folder), loras=[Lora(path=path, scale=0.7)])
    captured = []
    decode = type(editor.model).decode

    def watched(model, latents):
        captured.append(decode(model, latents))
        return captured[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(editor.model), "decode", watched)
        editor.edit(edit(guidance_scale=7.5, image_guidance_scale=1.5))
    ours = captured[0][0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() <= 1e-5
    assert np.abs(theirs - pixels(InstructPix2PixEditor.from_pretrained(str(folder)))).max() > 0.01


@pytest.mark.parametrize("layout", LAYOUTS)
def test_at_scale_zero_it_is_the_model_bit_for_bit(folder, products, tmp_path, layout):
    path = layout(products, tmp_path)
    found = state(InstructPix2PixEditor.from_pretrained(str(folder), loras=[Lora(path=path, scale=0)]))
    plain = state(InstructPix2PixEditor.from_pretrained(str(folder)))
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_several_add_up_in_any_order(folder, products, tmp_path):
    first = diffusers_layout(products, tmp_path)
    other = kohya_layout(trained(tiny.pipeline(kind="edit").unet, seed=5), tmp_path)
    both = [f"{first}=0.5", f"{other}=2"]
    one, two = (
        state(InstructPix2PixEditor.from_pretrained(str(folder), loras=order)) for order in (both, both[::-1])
    )
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    editor = InstructPix2PixEditor.from_pretrained(str(folder), loras=both)
    assert editor.model.name == f"{folder} + lora=0.5 + kohya=2"


def test_one_that_pipelines_save_reaches_text_encoders_too(tmp_path):
    base = tmp_path / "base"
    tiny.pipeline(kind="base").save_pretrained(base)
    pipe = tiny.pipeline(kind="base")
    layers = {
        "unet_lora_layers": trained(pipe.unet),
        "text_encoder_lora_layers": trained(pipe.text_encoder, targets=["q_proj", "v_proj"]),
    }
    StableDiffusionLoraLoaderMixin.save_lora_weights(tmp_path, **layers)
    path = tmp_path / "pytorch_lora_weights.safetensors"
    plain, changed = (PromptToPromptEditor.from_pretrained(str(base), loras=loras) for loras in ((), (path,)))
    for part in ("unet", "text_encoder"):
        before, after = (getattr(one.model, part).state_dict() for one in (plain, changed))
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[name], after[name]) for name in before)
    asked = PromptEdit(original_prompt="a cat", edited_prompt="a dog", num_inference_steps=2, seed=1)
    assert plain.edit(asked).edited_image.tobytes() != changed.edit(asked).edited_image.tobytes()


def test_an_xl_takes_one_of_its_own_and_no_other(tmp_path, products):
    base = tmp_path / "xl"
    pipe = tiny.pipeline(text="xl", kind="base")
    pipe.save_pretrained(base)
    own = diffusers_layout(trained(pipe.unet), tmp_path)
    assert PromptToPromptEditor.from_pretrained(str(base), loras=[own]).model.notes == ()
    (tmp_path / "other").mkdir()
    wide = {
        name: torch.cat([value, value], -1) if "lora_A" in name else value for name, value in products.items()
    }
    other = diffusers_layout(wide, tmp_path / "other")
    with pytest.raises(IncompatibleModel, match=r"^lora\.safetensors: does not fit .*; give a LoRA") as error:
        PromptToPromptEditor.from_pretrained(str(base), loras=[other])
    assert "\n" not in str(error.value)


def test_what_fits_no_layer_is_told_and_nothing_of_one_is_an_error(folder, products, tmp_path):
    (name, value), *_ = products.items()
    stranger = {"mid_block.attentions.9.to_q.lora_A.weight": value}
    stranger["mid_block.attentions.9.to_q.lora_B.weight"] = products[name.replace("lora_A", "lora_B")]
    path = diffusers_layout({**products, **stranger}, tmp_path)
    editor = InstructPix2PixEditor.from_pretrained(str(folder), loras=[path])
    (note,) = editor.edit(edit()).notes[:1]
    assert note.startswith("lora.safetensors: 1 of its ") and "fit nothing in this model" in note
    with pytest.raises(IncompatibleModel, match=r"lora\.safetensors: "):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[diffusers_layout(stranger, tmp_path)])


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"conv_in.weight": torch.zeros(2)}, "is no LoRA"),
        ({"lora_unet_x.hada_w1_a": torch.zeros(2)}, "is a LoHa"),
        (
            {"transformer.single_transformer_blocks.0.lora_A.weight": torch.zeros(2)},
            "transformer, which .* is not",
        ),
        ({"base_model.model.x.lora_A.weight": torch.zeros(2, 2)}, "adapter_config.json cannot be read"),
    ],
)
def test_what_is_no_lora_of_a_unet_is_called_what_it_is(folder, tmp_path, weights, says):
    save_file(weights, tmp_path / "x.safetensors")
    with pytest.raises(IncompatibleModel, match=says):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[tmp_path / "x.safetensors"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.safetensors", None, "there is no LoRA"),
        ("x.ckpt", b"x", "no .safetensors file"),
        ("x.safetensors", b"x", "cannot be read"),
        ("x.safetensors", b"", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(folder, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IncompatibleModel, match=says):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[tmp_path / name])


@pytest.mark.parametrize(
    ("given", "path", "scale"),
    [("a.safetensors", "a.safetensors", 1), ("a=0.5", "a", 0.5), ("a=b", "a=b", 1), ("x=y=-2", "x=y", -2)],
)
def test_a_command_line_names_file_and_scale(given, path, scale):
    lora = Lora.of(given)
    assert (str(lora.path), lora.scale) == (path, scale)
    assert Lora.of(lora) is lora


def test_a_file_whose_name_ends_like_a_scale_is_that_file(tmp_path):
    (tmp_path / "style=1").write_text("")
    assert Lora.of(tmp_path / "style=1") == Lora(path=tmp_path / "style=1")


@pytest.mark.parametrize("given", ["a=11", "a=-10.5", "a=nan", "a=inf"])
def test_a_scale_out_of_range_is_refused(given):
    with pytest.raises(InvalidEdit, match=r"lora: .* -10 to 10"):
        Lora.of(given)


def opened(toy, folder, loras):
    kind = PromptToPromptEditor if toy in DRAWING.values() else InstructPix2PixEditor
    return kind.from_pretrained(str(folder), loras=loras)


@pytest.fixture(scope="module", params=FAMILIES)
def toy(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def other_folder(toy, tmp_path_factory):
    return toy.folder(tmp_path_factory.mktemp("transformer"))


def network_of(pipe):
    return pipe.unet if hasattr(pipe, "unet") else pipe.transformer


def by_pipelines(products, folder, part="transformer"):
    """As pipelines of diffusers save them."""
    save_file(
        {f"{part}.{name}": value for name, value in scaled(products).items()}, folder / "own.safetensors"
    )
    return folder / "own.safetensors"


def with_header(products, folder, part="transformer"):
    """As they save them since they write what peft knows of them, too."""
    said = {f"{part}.r": RANK, f"{part}.lora_alpha": ALPHA, f"{part}.use_rslora": False}
    weights = {f"{part}.{name}": value for name, value in products.items()}
    save_file(weights, folder / "new.safetensors", metadata={"lora_adapter_metadata": json.dumps(said)})
    return folder / "new.safetensors"


@pytest.mark.parametrize("layout", [by_pipelines, peft_layout, with_header])
@pytest.mark.parametrize("scale", [0.5, 0])
def test_a_lora_of_another_family_is_what_it_was_trained_to_be(toy, other_folder, tmp_path, layout, scale):
    network = network_of(toy.pipeline())
    plain, products = {name: value.clone() for name, value in network.state_dict().items()}, trained(network)
    part = {"part": "unet"} if toy is tiny_dreamlite and layout is not peft_layout else {}
    path = layout(products, tmp_path, **part)
    editor = opened(toy, other_folder, [Lora(path=path, scale=scale)])
    found = state(editor)
    assert found.keys() == plain.keys() and len(products) >= 8
    for name, weight in plain.items():
        down, up = (products.get(f"{name.removesuffix('.weight')}.lora_{factor}.weight") for factor in "AB")
        change = 0 if down is None else scale * ALPHA / RANK * up @ down
        torch.testing.assert_close(found[name], weight + change, rtol=0, atol=1e-6 if scale else 0)
    assert editor.model.notes == () and str(path.stem) in editor.model.name


def test_a_lora_in_qwens_own_names_is_read(tmp_path):
    """As its fast ones are given to people: bare names and an alpha."""
    products = trained(tiny_qwen.pipeline().transformer)
    names = {name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"): name for name in products}
    alphas = {f"{name.rsplit('.', 2)[0]}.alpha": torch.tensor(float(ALPHA)) for name in names}
    path = tmp_path / "fast.safetensors"
    save_file({**{name: products[own] for name, own in names.items()}, **alphas}, path)
    folder = tiny_qwen.folder(tmp_path / "qwen")
    found, own = (
        state(InstructPix2PixEditor.from_pretrained(str(folder), loras=[one]))
        for one in (path, by_pipelines(products, tmp_path))
    )
    assert all(torch.allclose(found[name], own[name], atol=1e-6) for name in own)


@pytest.mark.parametrize("before", ["", "transformer.", "diffusion_model."])
def test_a_lora_of_a_family_without_a_loader_is_read_under_all_names(tmp_path, before):
    products = trained(tiny_longcat.pipeline().transformer)

    def named(name):
        name = name.replace("lora_A", "lora_down").replace("lora_B", "lora_up")
        return f"{before}{name}".replace(".weight", ".default.weight")

    alphas = {f"{before}{name.rsplit('.', 2)[0]}.alpha": torch.tensor(float(ALPHA)) for name in products}
    save_file(
        {**{named(name): value for name, value in products.items()}, **alphas}, tmp_path / "x.safetensors"
    )
    folder = tiny_longcat.folder(tmp_path / "longcat")
    found, own = (
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[one])
        for one in (tmp_path / "x.safetensors", by_pipelines(products, tmp_path))
    )
    assert all(torch.allclose(state(found)[name], value, atol=1e-6) for name, value in state(own).items())
    assert found.model.notes == own.model.notes == ()
    alone = tmp_path / "peft"
    alone.mkdir()
    save_file(
        {f"base_model.model.{name}": value for name, value in products.items()}, alone / "p.safetensors"
    )
    with pytest.raises(IncompatibleModel, match=r"p\.safetensors: its adapter_config\.json cannot be read"):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[alone / "p.safetensors"])


@pytest.mark.parametrize(
    "told",
    [
        {"lora_alpha": 6},
        {"lora_alpha": 6, "use_rslora": True},
        {"lora_alpha": 6, "alpha_pattern": {"to_q": 1, "attn2.to_v": 9}},
        {"lora_alpha": 6, "rank_pattern": {"to_k": 2, "attn1.to_out.0": 5}},
    ],
)
def test_a_lora_is_as_strong_as_peft_says(folder, tmp_path, told):
    """In its folder, and in the header that diffusers writes."""
    unet = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder).unet
    plain = {name: value.clone() for name, value in unet.state_dict().items()}
    config = LoraConfig(r=RANK, target_modules=TARGETS, init_lora_weights=False, **told)
    torch.manual_seed(1)
    inject_adapter_in_model(config, unet)
    changes = {
        f"{name}.weight": module.get_delta_weight("default")
        for name, module in unet.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    products = {name: value.contiguous() for name, value in get_peft_model_state_dict(unet).items()}
    place = peft_layout(products, tmp_path)
    (place / "adapter_config.json").write_text(json.dumps({"r": RANK, **told}))
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        tmp_path, unet_lora_layers=products, unet_lora_adapter_metadata={"r": RANK, **told}
    )
    assert len(changes) >= 8
    for path in (place, tmp_path / "pytorch_lora_weights.safetensors"):
        found = state(InstructPix2PixEditor.from_pretrained(str(folder), loras=[path]))
        for name, weight in plain.items():
            torch.testing.assert_close(found[name], weight + changes.get(name, 0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("header", ["{", "[]", '{"transformer.r": 3}', '{"transformer.lora_alpha": "much"}'])
def test_a_header_that_does_not_say_how_strong_a_lora_is_is_a_sentence(tmp_path, header):
    weights = {
        "transformer.x.lora_A.weight": torch.zeros(3, 2),
        "transformer.x.lora_B.weight": torch.zeros(2, 3),
    }
    save_file(weights, tmp_path / "x.safetensors", metadata={"lora_adapter_metadata": header})
    with pytest.raises(IncompatibleModel, match=r"x\.safetensors: its adapter_config\.json cannot be read"):
        weights_of(tmp_path / "x.safetensors")


def test_a_header_about_other_parts_leaves_these_as_they_are(tmp_path):
    weights = {"unet.x.lora_A.weight": torch.ones(3, 2), "unet.x.lora_B.weight": torch.ones(2, 3)}
    header = json.dumps({"text_encoder.lora_alpha": 9})
    save_file(weights, tmp_path / "x.safetensors", metadata={"lora_adapter_metadata": header})
    assert torch.equal(weights_of(tmp_path / "x.safetensors")["unet.x.lora_B.weight"], torch.ones(2, 3))


def test_one_of_another_model_is_refused(toy, other_folder, products, tmp_path):
    path = diffusers_layout(products, tmp_path)
    with pytest.raises(IncompatibleModel, match=r"^lora\.safetensors: .*give a LoRA that was made") as error:
        opened(toy, other_folder, [path])
    assert "\n" not in str(error.value)
    own = trained(network_of(toy.pipeline()))
    wide = {name: torch.cat([value] * 2, -1) for name, value in own.items()}
    part = "unet" if toy is tiny_dreamlite else "transformer"
    with pytest.raises(IncompatibleModel, match=r"own\.safetensors: does not fit .*; give a LoRA"):
        opened(toy, other_folder, [by_pipelines(wide, tmp_path, part=part)])
