"""What a model needs is known before it is fetched or loaded, and a fetch that was cut goes on."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from huggingface_hub import constants
from typer.testing import CliRunner

from editors import IncompatibleModel, InstructPix2PixEditor
from editors.model.loading import needs as needs_module
from editors.model.loading.counting import count_weights
from editors.model.loading.hub import fetch, files_to_read
from editors.model.loading.load import load
from editors.model.loading.needs import needs_of
from tests import fake_hub, tiny, tiny_klein
from ui.cli import app
from ui.commands import editing
from ui.commands.eval import _EVALUATIONS, _MODELS
from ui.server.opener import OneAtATime

NAME = "someone/klein"
GIGA = 10**9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_klein.folder(tmp_path_factory.mktemp("klein"))


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_hub.Hub]:
    with fake_hub.serving(monkeypatch, tmp_path / "cache") as hub:
        hub.folders[NAME] = shutil.copytree(folder, tmp_path / "klein")
        hub.cards[NAME] = {"license": "apache-2.0"}
        yield hub


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=num_bytes))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(free=0))


@pytest.mark.parametrize(("dtype", "size"), [(None, 4), ("float32", 4), (torch.bfloat16, 2)])
def test_the_weights_of_a_folder_are_counted(folder: Path, dtype: Any, size: int) -> None:
    found = needs_of(str(folder), device="cpu", dtype=dtype)
    model = load(str(folder), kind="edit", device="cpu", dtype=dtype)
    # The autoencoder's batch statistics are counted with it; bfloat16 by name is for all parts.
    held = sum(
        tensor.numel() * (4 if tensor.dtype == torch.int64 else tensor.itemsize)
        for part in model.modules
        for tensor in part.state_dict(keep_vars=True).values()
        if tensor is not None
    )
    tied = model.text_encoder.lm_head.weight
    assert found is not None and found.num_bytes == pytest.approx(held - tied.nbytes, rel=0.02)
    assert found.num_missing_bytes == 0 and model.dtype.itemsize == size


def test_what_is_told_before_a_fetch_is_what_is_fetched(hub: fake_hub.Hub, tmp_path: Path) -> None:
    (hub.folders[NAME] / "transformer" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"x" * 999)
    (hub.folders[NAME] / "picture.png").write_bytes(b"x" * 999)
    told = needs_of(NAME, device="cpu")
    here = needs_of(str(hub.folders[NAME]), device="cpu")
    assert told is not None and here is not None
    assert told.licence == "apache-2.0" and told.num_bytes == here.num_bytes > 0
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert told.num_missing_bytes <= size_of(hub.folders[NAME]) - 2 * 999
    hub.fetched.clear()
    place = fetch(NAME)
    assert sum(hub.fetched.values()) == told.num_missing_bytes
    assert not (place / "picture.png").exists()
    after = needs_of(NAME, device="cpu")
    assert after is not None and after.num_missing_bytes == 0 and after.num_bytes == told.num_bytes
    hub.fetched.clear()
    hub.trees = 0
    assert fetch(NAME) == place and not hub.fetched and not hub.trees


def test_a_model_of_the_hub_edits_as_its_folder_does(hub: fake_hub.Hub, folder: Path) -> None:
    one, other = (load(name, kind="edit", device="cpu") for name in (NAME, str(folder)))
    for part in ("unet", "vae", "text_encoder"):
        mine, theirs = getattr(one, part).state_dict(), getattr(other, part).state_dict()
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert one.name == NAME


def test_the_hub_is_asked_once_what_a_model_is(hub: fake_hub.Hub, tmp_path: Path) -> None:
    load(NAME, kind="edit", device="cpu")
    assert hub.listings == 1
    tiny.photo((64, 48)).save(tmp_path / "photo.png")
    few = ["--num-inference-steps", "1", "--resolution", "64", "--device", "cpu"]
    asked = ["edit", str(tmp_path / "photo.png"), "make it night", "--model", NAME, *few]
    said = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out.png")])
    assert said.exit_code == 0 and hub.listings == 2, said.output
    opener = OneAtATime()
    opener.needs(NAME)
    opener.model(NAME)
    assert hub.listings == 3


def test_a_fetch_that_was_cut_goes_on(hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.cut_after = 5000
    place = fetch(NAME)  # huggingface_hub asks for the rest
    assert hub.cut_after is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(NAME) == place and size_of(place) == size_of(hub.folders[NAME])


def test_a_fetch_that_was_given_up_goes_on_when_it_is_asked_for_again(hub: fake_hub.Hub) -> None:
    told = needs_of(NAME, device="cpu")
    hub.withheld = "text_encoder"
    with pytest.raises(
        IncompatibleModel, match=r"could not be fetched .*what is here already is not fetched"
    ):
        fetch(NAME)
    hub.withheld = None
    rest = needs_of(NAME, device="cpu")
    assert told is not None and rest is not None
    assert 0 < rest.num_missing_bytes < told.num_missing_bytes and rest.num_bytes == told.num_bytes
    hub.fetched.clear()
    fetch(NAME)
    assert sum(hub.fetched.values()) == rest.num_missing_bytes


def test_without_a_network_the_model_is_read_where_it_was_left(
    hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(IncompatibleModel, match=r"could not be fetched from the Hub .*; check the name and"):
        load(NAME, kind="edit", device="cpu")
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    fetch(NAME)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert load(NAME, kind="edit", device="cpu").name == NAME


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "someone/gated",
            r"is gated, .*agree to its licence at http://127.*/someone/gated, then run `hf auth",
        ),
        ("someone/nothing", "lets nobody see such a model; check the name, or where it is private, run `hf"),
        (f"{NAME}@of-a-dream", "has no revision 'of-a-dream' on the Hub"),
        ("someone/modular", "is a modular pipeline, which is not read; give a model in the layout of"),
        ("someone/lora", "is a LoRA, which changes another model"),
        ("someone/file", "its file given"),
        ("someone/words", "holds no model_index.json"),
        ("someone/other", "is a diffusion transformer .* of PixArtPipeline, which is not read"),
        ("someone/pickled", "its vae has no weights in safetensors"),
        ("someone/half", "lacks its vae"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_nothing_is_fetched(
    hub: fake_hub.Hub, tmp_path: Path, name: str, says: str
) -> None:
    files = {
        "gated": ["model_index.json"],
        "modular": ["modular_model_index.json"],
        "lora": ["pytorch_lora_weights.safetensors"],
        "file": ["model.safetensors"],
        "words": ["README.md"],
    }
    for called, own in files.items():
        for file in own:
            (tmp_path / called).mkdir(exist_ok=True)
            (tmp_path / called / file).write_text("{}")
        hub.folders[f"someone/{called}"] = tmp_path / called
    hub.gated.add("someone/gated")
    for called in ("other", "pickled", "half"):
        hub.folders[f"someone/{called}"] = shutil.copytree(hub.folders[NAME], tmp_path / called)
    index = json.loads((tmp_path / "other" / "model_index.json").read_text())
    (tmp_path / "other" / "model_index.json").write_text(
        json.dumps({**index, "_class_name": "PixArtPipeline"})
    )
    vae = tmp_path / "pickled" / "vae" / "diffusion_pytorch_model.safetensors"
    vae.rename(vae.with_suffix(".bin"))
    shutil.rmtree(tmp_path / "half" / "vae")
    with pytest.raises(IncompatibleModel, match=says):
        needs_of(name, device="cpu")
    with pytest.raises(IncompatibleModel, match=says):
        fetch(name)
    assert not [file for file in hub.fetched if file.endswith((".safetensors", ".bin"))]


def test_too_little_memory_is_a_sentence_with_the_format_that_fits(
    hub: fake_hub.Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = needs_of(NAME, device="cpu")
    assert found is not None
    monkeypatch.setattr(needs_module, "slowness", lambda name: 0.5)
    hub.fetched.clear()
    for room, says in (
        (found.num_half_bytes, "choose bfloat16 as dtype, in which it takes"),
        (found.num_half_bytes - 1, "close other programs, or give a smaller model"),
    ):
        free(monkeypatch, room)
        for name in (NAME, str(folder)):
            with pytest.raises(
                IncompatibleModel, match=rf"{re.escape(name)}: takes .* float32, .*free; {says}"
            ):
                InstructPix2PixEditor.from_pretrained(name, device="cpu")
    still = needs_of(NAME, device="cpu")
    assert still is not None and still.num_missing_bytes == found.num_missing_bytes
    monkeypatch.setattr(needs_module, "slowness", lambda name: 99.0)
    free(monkeypatch, found.num_half_bytes)
    with pytest.raises(IncompatibleModel, match="give a smaller model"):
        InstructPix2PixEditor.from_pretrained(NAME, device="cpu")
    free(monkeypatch, found.num_bytes)
    assert InstructPix2PixEditor.from_pretrained(NAME, device="cpu").model.name == NAME


def test_it_is_said_in_one_sentence(hub: fake_hub.Hub) -> None:
    told = needs_of(NAME, device="cpu")
    says = rf"{NAME}: licence apache-2.0, 0.\d GB to fetch, 0.\d GB of memory in float32\."
    assert told is not None and re.fullmatch(says, told.said_of("auto"))
    fetch(NAME)
    told = needs_of(NAME, device="cpu")
    assert told is not None and told.said_of("auto") == ""
    for name in ("pocket", "no/such/place", "./nothing"):
        assert needs_of(name) is None


def test_a_gated_model_that_is_here_is_read_whoever_asks(hub: fake_hub.Hub) -> None:
    place = fetch(NAME)
    hub.gated.add(NAME)
    hub.fetched.clear()
    assert fetch(NAME) == place and needs_of(NAME, device="cpu") is not None and not hub.fetched


@pytest.mark.parametrize(
    "header", [b"{}", b"[1]", b'{"a": {"shape": ["x"]}, "b": {"shape": 7}, "c": 1}', b"{"]
)
def test_a_file_that_says_nothing_of_its_weights_counts_none(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert count_weights(file).total == 0


def test_one_variant_is_read() -> None:
    of = ["model", "model.fp16", "model-00001-of-00002", "model-00002-of-00002", "model.fp16-00001-of-00001"]
    files = [f"unet/diffusion_pytorch_{one}.safetensors" for one in of]
    texts = ["unet/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/x.py"]
    indices = [f"unet/diffusion_pytorch_model.safetensors.index{one}.json" for one in ("", ".fp16")]
    chosen = files_to_read([*files, *texts, *indices, "README.md"], ("unet", "tokenizer"), "toy")
    assert set(chosen) == {"model_index.json", files[0], files[2], files[3], *texts[:3], indices[0]}
    half = files_to_read([files[1], files[4], texts[0], indices[1]], ("unet",), "toy")
    assert set(half) == {"model_index.json", files[1], files[4], texts[0], indices[1]}


def test_stable_diffusions_text_encoders_are_counted_in_their_own_format(tmp_path: Path) -> None:
    tiny.pipeline(kind="edit").save_pretrained(tmp_path)
    plain, half = (needs_of(str(tmp_path), device="cpu", dtype=one) for one in (None, torch.bfloat16))
    assert plain is not None and half is not None
    assert plain.num_bytes == 2 * half.num_bytes and plain.num_half_bytes == half.num_bytes


class Told(Exception):
    """What a model needs was to be told, before anything else was done."""


@pytest.mark.parametrize(
    ("asked", "models"),
    [
        (["data", "render", "triplets.jsonl", "--out", "out", "--model", "a/b"], ["a/b"]),
        (["data", "build", "--config", "job.toml"], ["a/b"]),
        (["eval", "pairs", "--out", "out", "--data", "pairs", "--model", "a/b"], ["a/b"]),
        (["eval", "photos", "--out", "out", "--model", "a/b"], ["a/b"]),
        (["eval", "captions", "--out", "out", "--model", "a/b"], ["a/b"]),
        (
            [
                "eval",
                "pie",
                "--data",
                "pie",
                "--out",
                "out",
                "--prompt-model",
                "a/b",
                "--instruction-model",
                "c/d",
            ],
            ["a/b", "c/d"],
        ),
        (["train", "instruct-pix2pix", "pairs", "--out", "out", "--base", "a/b"], ["a/b"]),
        (["train", "text-to-image", "scenes", "--out", "out", "--init", "a/b"], ["a/b"]),
    ],
)
def test_jobs_tell_what_their_models_need_before_all_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[str], models: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("triplets.jsonl").write_text(
        json.dumps({"original_prompt": "a cat", "edit_prompt": "make it a dog", "edited_prompt": "a dog"})
    )
    Path("job.toml").write_text('out = "made"\n[write]\nnum = 2\n[render]\nmodel = "a/b"\n[filter]\n')
    told: list[str] = []

    def tell(model: str, *, device: str | None = None) -> None:
        told.append(model)
        if len(told) == len(models):
            raise Told

    monkeypatch.setattr(editing, "tell_needs", tell)
    said = CliRunner().invoke(app, asked)
    assert isinstance(said.exception, Told) and told == models, said.output


def test_no_evaluation_names_a_model_that_is_not_told_of() -> None:
    named = {field.name for one in _EVALUATIONS.values() for field in fields(one.job)}
    assert {name for name in named if name.endswith("model")} == set(_MODELS)


def test_a_job_goes_on_where_its_model_cannot_be_loaded(
    hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may have been done, and load none; else that is said where it is loaded."""
    monkeypatch.setattr(needs_module, "_WORTH_SAYING", 1)
    editing.tell_needs_of_job(["someone/else", None, "pocket", NAME, NAME], device="cpu")
    assert capsys.readouterr().err.count("licence apache-2.0") == 1
