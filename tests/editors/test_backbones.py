"""Editors of other families behind the same door: toys of the real classes edit as their own pipelines do.

Each law holds for all: the pipeline's own steps, two scales, sizes, masks, alpha, and nothing left behind.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DreamLiteMobilePipeline,
    FlowMatchHeunDiscreteScheduler,
    Flux2KleinKVPipeline,
    Flux2KleinPipeline,
)
from diffusers.pipelines.longcat_image import pipeline_longcat_image_edit
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
from huggingface_hub import HfApi
from PIL import Image
from safetensors.torch import save_file
from transformers import Qwen2VLProcessor, Qwen3VLProcessor

from editors import (
    IncompatibleModel,
    InstructionEdit,
    InstructPix2PixEditor,
    InvalidEdit,
    PromptToPromptEditor,
    instruct_pix2pix,
)
from editors.forecast import computed_steps
from editors.model.backbones.open import BACKBONES
from editors.model.backbones.qwen_image_edit import QwenImageEdit
from editors.model.backbones.qwen_processor import QwenProcessor, told_where_pictures_lie
from editors.model.conditioning import Conditioning
from editors.model.loading import checkpoints
from editors.model.loading.checkpoints import read_advice
from editors.model.loading.kinds import is_edit_model
from editors.model.loading.load import from_pipeline, load
from editors.model.parts import FAMILIES
from editors.requests.lora import Lora
from editors.requests.settings import recommended_settings
from tests import tiny, tiny_dreamlite, tiny_klein, tiny_kontext, tiny_qwen, tiny_qwen_first
from tests.large_toys import EDITING
from trainer.errors import InvalidConfig
from trainer.tasks.text_to_image import load_for_training

TAKES = {
    "dreamlite": (30, 3.5, 1.5),
    "klein": (50, 4, 1),
    "kontext": (28, 1, 1),
    "longcat": (50, 4.5, 1),
    "qwen": (50, 4, 1),
    "first-qwen": (50, 4, 1),
}
"""Steps and scales that their pipelines take where nobody says."""
CASES = [(name, True) for name in EDITING] + [("dreamlite", False), ("klein", False)]
"""(toy, whether it knows guidance)."""
SEEING = ("longcat", "qwen", "first-qwen")
"""Whose pipelines do not tell their language model where pictures lie."""
STEPS = 2
WORDS = "make it night"


@pytest.fixture(scope="module", params=EDITING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pipe(name: str) -> Any:
    return EDITING[name].pipeline()


@pytest.fixture(scope="module")
def editor(pipe: Any) -> InstructPix2PixEditor:
    return InstructPix2PixEditor.from_pipeline(pipe)


def edit(size: tuple[int, int] = (64, 64), **options: Any) -> InstructionEdit:
    """Ask for an edit of a picture at its own size."""
    asked = {"original_image": tiny.photo(size), "edit_prompt": WORDS, "seed": 3, **options}
    side = round((size[0] * size[1]) ** 0.5)
    return InstructionEdit(**{"num_inference_steps": STEPS, "resolution": side, **asked})


def last(editor: InstructPix2PixEditor, size: tuple[int, int] = (64, 64), **options: Any) -> torch.Tensor:
    return list(editor.stream(edit(size, **options)))[-1].latents


def theirs(
    name: str, pipe: Any, size: tuple[int, int] = (64, 64), references: Any = (), **options: Any
) -> torch.Tensor:
    """Edit with the pipeline, and return its picture, (1, 3, H, W) in [0, 1]."""
    photo = tiny.photo(size)
    told = told_where_pictures_lie(pipe.text_encoder) if name in SEEING else nullcontext()
    with drawing_at(size), told:
        drawn: torch.Tensor = pipe(
            prompt=WORDS,
            image=[photo, *references] if references else photo,
            num_inference_steps=STEPS,
            output_type="pt",
            generator=torch.Generator().manual_seed(3),
            **EDITING[name].asked(size),
            **options,
        ).images
    return drawn


@contextmanager
def drawing_at(size: tuple[int, int]) -> Iterator[None]:
    """Let pipelines draw at a size that otherwise draw at a million pixels, whatever they are asked."""
    large = 1024 * 1024
    with pytest.MonkeyPatch.context() as patch:
        one, several = pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
        for module, more in ((pipeline_longcat_image_edit, ()), (one, (None,)), (several, ())):
            theirs = module.calculate_dimensions
            patch.setattr(
                module,
                "calculate_dimensions",
                lambda area, ratio, theirs=theirs, more=more: (
                    (*size, *more) if area == large else theirs(area, ratio)
                ),
            )
        yield


def states(pipe: Any) -> tuple[Any, ...]:
    network = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()]
    return list(map(id, network.attn_processors.values())), hooks, pipe.scheduler.timesteps.tolist()


def test_every_family_has_a_backbone_and_a_row_in_the_docs() -> None:
    assert set(FAMILIES) == set(BACKBONES)
    rows = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    for name, guided in CASES:
        pipe = EDITING[name].pipeline(guided=guided)
        model = from_pipeline(pipe)
        own = model.recommended
        takes = f"{model.max_references} | {'yes' if model.lora_parts else 'no'} |"
        scales = f"{own.guidance_scale:g} | {own.image_guidance_scale:g} | {takes}"
        said = rf"`{type(pipe).__name__}`.* \| {own.num_inference_steps} \| {re.escape(scales)}"
        assert re.search(said, rows), said


@pytest.mark.parametrize(("name", "guided"), CASES)
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 96)])
def test_an_edit_is_that_of_the_pipeline_at_its_defaults(
    name: str, guided: bool, size: tuple[int, int]
) -> None:
    pipe = EDITING[name].pipeline(guided=guided)
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    assert mine.model.size_for(size, resolution=edit(size).resolution) == size
    drawn = mine.model.decode(last(mine, size))
    # Their prompts, or their two scales, go through a network together or apart: that changes the last bits.
    torch.testing.assert_close(drawn, theirs(name, pipe, size), rtol=0, atol=1e-5)


def test_it_recommends_what_its_pipeline_takes(name: str) -> None:
    for one, guided in CASES:
        if one != name:
            continue
        expected = TAKES[name] if guided else (4, 1, 1)
        found = from_pipeline(EDITING[name].pipeline(guided=guided)).recommended
        assert (found.num_inference_steps, found.guidance_scale, found.image_guidance_scale) == expected


@pytest.mark.parametrize(
    ("scales", "rows"), [((3.5, 1.5), 3), ((3.5, 1), 2), ((1.5, 1.5), 2), ((1, 1), 1), ((0, 1), 1)]
)
def test_rows_without_weight_are_not_computed(
    editor: InstructPix2PixEditor, scales: tuple[float, float], rows: int
) -> None:
    result = editor.edit(edit(guidance_scale=scales[0], image_guidance_scale=scales[1]))
    assert result.num_unet_rows == rows * STEPS


@pytest.mark.parametrize("name", ["dreamlite", "klein"])
def test_scales_of_one_are_the_model_alone(name: str) -> None:
    """Which is what the sibling without guidance draws, with the same weights."""
    pipe = EDITING[name].pipeline()
    editor = InstructPix2PixEditor.from_pipeline(pipe)
    kind = DreamLiteMobilePipeline if name == "dreamlite" else type(pipe)
    told = {} if name == "dreamlite" else {"is_distilled": True}
    alone = kind(**pipe.components, **told)
    alone.set_progress_bar_config(disable=True)
    drawn = editor.model.decode(last(editor, guidance_scale=1, image_guidance_scale=1))
    torch.testing.assert_close(drawn, theirs(name, alone), rtol=0, atol=1e-6)


def test_kontext_knows_true_guidance() -> None:
    pipe = tiny_kontext.pipeline()
    drawn = last(mine := InstructPix2PixEditor.from_pipeline(pipe), guidance_scale=4)
    expected = theirs("kontext", pipe, true_cfg_scale=4.0, negative_prompt="")
    torch.testing.assert_close(mine.model.decode(drawn), expected, rtol=0, atol=1e-5)


def test_the_three_predictions_are_combined_by_the_papers_formula(editor: InstructPix2PixEditor) -> None:
    """Eq. 3: e(∅,∅) + s_I·(e(I,∅) − e(∅,∅)) + s_T·(e(I,T) − e(I,∅))."""
    model, random = editor.model, torch.Generator().manual_seed(0)
    x, picture = torch.randn(2, 1, model.latent_channels, 4, 4, generator=random)
    seen, time = [[tiny.photo((64, 64))]], torch.tensor(700.0)
    size = (4 * model.vae_scale_factor,) * 2
    words = model.condition([WORDS], size=size, pictures=seen)
    none = model.unconditional(size=size, pictures=seen)
    nothing = none if model.nothing_sees_picture else model.unconditional(size=size)
    settings = replace(model.recommended, guidance_scale=3, image_guidance_scale=2)
    with torch.no_grad():
        told = model.beside(picture)
        full, image, empty = (
            model.network.predict(x, time, said, picture=shown)
            for said, shown in ((words, told), (none, told), (nothing, model.no_picture(told)))
        )
        combined = instruct_pix2pix.guided(model, [WORDS], picture, settings, pictures=seen)(x, time, 0)
    assert not torch.allclose(full, image) and not torch.allclose(image, empty)
    expected = empty + 2 * (image - empty) + 3 * (full - image)
    if isinstance(model, QwenImageEdit):  # its four latents of a token are as long as those of e(I,T)
        of_tokens = [one.unfold(2, 2, 2).unfold(3, 2, 2) for one in (full, expected)]
        long, own = (one.square().sum((1, 4, 5)).sqrt() for one in of_tokens)
        assert not torch.allclose(long, own, rtol=1e-5)
        expected = expected * (long / own).repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    torch.testing.assert_close(combined, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SEEING)
def test_a_language_model_is_told_where_pictures_lie(name: str) -> None:
    """transformers 5 lays a picture's parts out in a line where nobody says that they are no words."""
    pipe = EDITING[name].pipeline()
    model, seen = from_pipeline(pipe), tiny.photo((128, 128))
    positions: list[Any] = []

    def see(_: Any, __: Any, told: dict[str, Any]) -> None:
        positions.append(told["position_ids"])

    pipe.text_encoder.model.language_model.register_forward_pre_hook(see, with_kwargs=True)
    model.condition([WORDS], size=(128, 128), pictures=[[seen]])
    (places,) = positions
    rows, columns = places[1, 0], places[2, 0]
    assert not torch.equal(rows, columns) and places[0].max() < places.shape[-1] - 1
    assert not pipe.text_encoder._forward_pre_hooks


@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_keys_of_a_picture_are_computed_once_and_the_edit_is_the_pipelines(size: tuple[int, int]) -> None:
    pipe = tiny_klein.pipeline(guided=False, kind=Flux2KleinKVPipeline)
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    asked: list[Any] = []
    pipe.transformer.register_forward_pre_hook(
        lambda _, __, told: asked.append((told["kv_cache_mode"], told["hidden_states"].shape[1])),
        with_kwargs=True,
    )
    (first, longer), (second, shorter) = (last(mine, size), asked)[1]
    assert (first, second, longer) == ("extract", "cached", 2 * shorter)
    drawn = theirs("klein", pipe, size)
    torch.testing.assert_close(mine.model.decode(last(mine, size)), drawn, rtol=0, atol=1e-6)


def test_kept_keys_are_what_would_be_computed_again() -> None:
    """A picture's tokens see neither noise nor words nor time: nothing of them changes from step to step."""
    model = from_pipeline(tiny_klein.pipeline(guided=False, kind=Flux2KleinKVPipeline))
    random = torch.Generator().manual_seed(0)
    x, later, picture, other = torch.randn(4, 1, model.latent_channels, 4, 4, generator=random)
    words, keeping = model.condition([WORDS], size=(32, 32)), model.network
    told: dict[str, Any] = {"picture": picture, "references": (other,)}
    with torch.no_grad():
        keeping.predict(x, torch.tensor(900.0), words, **told)
        kept, anew = (
            network.predict(later, torch.tensor(300.0), words, **told) for network in (keeping, model.network)
        )
    torch.testing.assert_close(kept, anew, rtol=0, atol=1e-6)


def test_kept_keys_are_of_the_edit_that_is_drawn() -> None:
    pipe = tiny_klein.pipeline(guided=False, kind=Flux2KleinKVPipeline)
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    photos = [tiny.photo((64, 64), seed=seed) for seed in (1, 2)]
    alone = [last(mine, original_image=photo) for photo in photos]
    streams = [mine.stream(edit(original_image=photo)) for photo in photos]
    for _ in range(STEPS):
        both = [next(stream).latents for stream in streams]
    assert all(torch.equal(*pair) for pair in zip(alone, both, strict=True))
    assert not torch.allclose(alone[0], alone[1])
    with pytest.raises(InvalidEdit, match="without guidance"):
        mine.edit(edit(guidance_scale=3))


@pytest.mark.parametrize(
    ("name", "kind", "sizes"),
    [
        ("klein", Flux2KleinPipeline, [(64, 64)]),
        ("klein", Flux2KleinPipeline, [(32, 128), (128, 32), (64, 64)]),
        ("klein", Flux2KleinKVPipeline, [(32, 128), (64, 64)]),
        ("qwen", None, [(64, 64), (64, 64)]),
    ],
)
def test_an_edit_of_several_pictures_is_that_of_the_pipeline(
    name: str, kind: Any, sizes: list[tuple[int, int]]
) -> None:
    pipe = EDITING[name].pipeline(**({"kind": kind} if kind else {}))
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    others = [tiny.photo(size, seed=seed) for seed, size in enumerate(sizes, start=7)]
    # Klein's pipeline takes no picture with a side below 64; its parts do.
    with pytest.MonkeyPatch.context() as patch:
        if name == "klein":
            patch.setattr(type(pipe.image_processor), "check_image_input", lambda *_, **__: None)
        drawn = theirs(name, pipe, references=others)
    asked = last(mine, references=others)
    torch.testing.assert_close(mine.model.decode(asked), drawn, rtol=0, atol=1e-5)
    for fewer in (others[:-1], [*others[:-1], tiny.photo(sizes[-1], seed=99)]):
        assert not torch.allclose(last(mine, references=fewer), asked, atol=1e-4)


def test_without_a_picture_both_kinds_of_qwen_are_told_the_same() -> None:
    first, later = (from_pipeline(toy.pipeline()) for toy in (tiny_qwen_first, tiny_qwen))
    later.text_encoder.load_state_dict(first.text_encoder.state_dict())
    for words in (WORDS, " "):
        one, other = (model.condition([words], size=(8, 8), pictures=[()]) for model in (first, later))
        assert torch.equal(one.states, other.states)
    assert isinstance(first, QwenImageEdit)
    assert "<|image_pad|>" in first.pipeline.prompt_template_encode  # its own is as it was


def test_pictures_beside_the_picture_are_each_edits_own(name: str, editor: InstructPix2PixEditor) -> None:
    most, photo = editor.model.max_references, tiny.photo((64, 64), seed=8)
    if most:
        edits = [edit(references=[photo]), edit(), edit(references=[tiny.photo((64, 64), seed=9)])]
        for one, result in zip(edits, editor.edit_many(edits), strict=True):
            alone = np.asarray(editor.edit(one).edited_image).astype(int)
            assert np.abs(alone - np.asarray(result.edited_image)).max() <= 1
        # Where there is no picture there is none of the others either.
        scales: dict[str, Any] = {"guidance_scale": 0, "image_guidance_scale": 0}
        assert torch.equal(last(editor, references=[photo], **scales), last(editor, **scales))
    takes = f"takes {most} besides the picture" if most else "takes the picture alone"
    with pytest.raises(InvalidEdit, match=f"references: {most + 1} are too many; .* {takes}; leave some out"):
        editor.edit(edit(references=[photo] * (most + 1)))
    if most:
        with pytest.raises(InvalidEdit, match="references: "):
            editor.edit(edit(references=["no/such/file.png"]))


@pytest.mark.parametrize("name", ["klein", "kontext"])
def test_without_picture_and_words_it_draws_from_nothing(name: str) -> None:
    """At both scales 0 it is the pipeline that was given no picture and an empty prompt."""
    pipe = EDITING[name].pipeline()
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    drawn = mine.model.decode(last(mine, guidance_scale=0, image_guidance_scale=0))
    expected = pipe(
        prompt="",
        **(EDITING[name].asked((64, 64)) or {"height": 64, "width": 64, "guidance_scale": 1}),
        num_inference_steps=STEPS,
        output_type="pt",
        generator=torch.Generator().manual_seed(3),
    ).images
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-5)


def test_picture_and_words_and_seed_matter(editor: InstructPix2PixEditor) -> None:
    one = last(editor)
    for other in ({"original_image": tiny.photo((64, 64), seed=1)}, {"edit_prompt": "snow"}, {"seed": 4}):
        assert not torch.allclose(last(editor, **other), one, atol=1e-4)


@pytest.mark.parametrize("size", [(61, 83), (333, 500)])
def test_size_alpha_and_mask_come_back(editor: InstructPix2PixEditor, size: tuple[int, int]) -> None:
    photo = tiny.photo(size).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(size))
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2))
    asked = edit(original_image=photo, mask=mask, full_size="resize")
    result = editor.edit(asked).edited_image
    assert result.size == size and result.mode == "RGBA"
    same = (np.asarray(result) == np.asarray(photo)).all(2)
    inside = np.asarray(mask) > 0
    assert same[~inside].all() and not same[inside].all()
    assert np.array_equal(np.asarray(result)[..., 3], np.asarray(photo)[..., 3])


def test_what_its_autoencoder_redraws_lies_where_it_lay(editor: InstructPix2PixEditor) -> None:
    """The transferred change is none where nothing changed, whatever the autoencoder loses."""
    photo = tiny.photo((64, 64))
    job = editor._read_all([edit(original_image=photo)])[0]
    latents = editor._photos.latents([job.photo])
    redrawn = editor._photos.redrawn(job.photo, latents[0])
    assert redrawn.shape == (64, 64, 3)
    torch.testing.assert_close(
        editor.model.unscaled(editor.model.scaled(latents)), latents, rtol=1e-4, atol=1e-5
    )
    brought = job.photo.brought_back(redrawn, "change", before=lambda: redrawn)
    assert np.array_equal(np.asarray(brought), np.asarray(photo))


def test_edits_of_a_batch_are_each_as_alone(editor: InstructPix2PixEditor) -> None:
    edits = [edit(edit_prompt=words, seed=seed) for words, seed in ((WORDS, 1), ("snow, and much of it", 2))]
    edits.append(edit(original_image=tiny.photo((64, 64), seed=5)))
    for one, result in zip(edits, editor.edit_many(edits), strict=True):
        alone = np.asarray(editor.edit(one).edited_image).astype(int)
        assert np.abs(alone - np.asarray(result.edited_image)).max() <= 1


def test_two_edits_at_once_are_each_as_alone(editor: InstructPix2PixEditor) -> None:
    asked = (edit(seed=1), edit(seed=2, edit_prompt="snow"))
    alone = [[step.latents for step in editor.stream(one)] for one in asked]
    streams: list[Iterator[Any]] = [editor.stream(one) for one in asked]
    together = [[next(stream).latents for stream in streams] for _ in range(STEPS)]
    for place, steps in enumerate(alone):
        assert all(torch.equal(step, both[place]) for step, both in zip(steps, together, strict=True))


def test_nothing_is_left_behind_where_an_edit_is_cut(editor: InstructPix2PixEditor, pipe: Any) -> None:
    before = states(pipe)
    stream = editor.stream(edit())
    assert next(stream).preview().mode == "RGB"
    stream.close()
    assert states(pipe) == before


def test_steps_can_be_forecast(editor: InstructPix2PixEditor) -> None:
    plain, none = (
        [step.latents for step in editor.stream(edit(num_inference_steps=12, forecast=n))] for n in (None, 1)
    )
    assert all(torch.equal(one, other) for one, other in zip(plain, none, strict=True))
    result = editor.edit(edit(num_inference_steps=12, forecast=3, image_guidance_scale=1.5))
    assert result.num_unet_rows == 3 * sum(computed_steps(12, 3)) < 36


def test_an_edit_held_to_its_place_is_drawn_as_ever(editor: InstructPix2PixEditor) -> None:
    held, plain = editor.edit(edit(only=0.9)), editor.edit(edit())
    assert held.reach is not None
    # Both go through the network in batches of their own sizes, which may change the last bit.
    drawn = np.asarray(held.reach.everywhere).astype(int)
    assert np.abs(drawn - np.asarray(plain.edited_image)).max() <= 1


@pytest.mark.parametrize(("scales", "reads"), [((1, 1), 1), ((3, 1), 2), ((0, 1), 1)])
def test_prompts_without_weight_are_not_read(
    name: str, monkeypatch: pytest.MonkeyPatch, scales: tuple[float, float], reads: int
) -> None:
    """A language model reads them, which may take longer than the steps of a fast model."""
    pipe = EDITING[name].pipeline()
    read = pipe.encode_prompt
    told: list[str] = []

    def encode_prompt(**options: Any) -> Any:
        told.append(str(options.get("prompts", options.get("prompt"))))
        return read(**options)

    monkeypatch.setattr(pipe, "encode_prompt", encode_prompt)
    mine = InstructPix2PixEditor.from_pipeline(pipe)
    mine.edit(edit(guidance_scale=scales[0], image_guidance_scale=scales[1], num_inference_steps=1))
    assert len(told) == reads


def test_what_it_cannot_do_is_a_sentence(name: str, editor: InstructPix2PixEditor, pipe: Any) -> None:
    wrong = (("guidance_scale", 3.5), ("image_guidance_scale", 1.5)) if (name, False) in CASES else ()
    without = InstructPix2PixEditor.from_pipeline(EDITING[name].pipeline(guided=False))
    for field, scale in wrong:
        with pytest.raises(
            InvalidEdit, match=f"{field}: {scale} is not allowed: .* without guidance; give 1"
        ):
            asked: dict[str, Any] = {field: scale}
            without.edit(edit(**asked))
    with pytest.raises(InvalidEdit, match=r"scheduler: 'ddim' is not for .*; leave it out"):
        editor.model.with_scheduler("ddim")
    with pytest.raises(IncompatibleModel, match="give a text-to-image model, or use"):
        PromptToPromptEditor.from_pipeline(pipe)
    with pytest.raises(IncompatibleModel, match="told apart by"):
        editor.things(tiny.photo((64, 64)))
    with pytest.raises(InvalidEdit, match="edit_prompt: is too long"):
        editor.edit(edit(edit_prompt="ü" * 700))
    with pytest.raises(IncompatibleModel, match=r"takes .* channels"):
        replace(editor.model, vae=tiny.components()["vae"].__class__(latent_channels=3))


def test_shorter_prompts_are_filled_up_and_masked() -> None:
    one, two = (
        Conditioning(states=torch.ones(1, length, 4), mask=torch.ones(1, length, dtype=torch.long))
        for length in (2, 5)
    )
    both = Conditioning.cat([one, two])
    assert both.mask is not None and both.mask.sum(1).tolist() == [2, 5]
    assert both.states.shape == (2, 5, 4) and both.states[0, 2:].eq(0).all()
    assert both.rows([1, 0, 1]).mask is not None and len(both.rows([1, 0, 1])) == 3
    assert set(both.unet_kwargs()) == {"encoder_hidden_states", "encoder_attention_mask"}


@pytest.mark.parametrize(("name", "guided"), CASES)
def test_what_a_folder_advises_is_known_before_it_is_loaded(name: str, guided: bool, tmp_path: Path) -> None:
    folder, own = EDITING[name].folder(tmp_path, guided=guided), EDITING[name].pipeline(guided=guided)
    advised, _, _ = read_advice(folder)
    assert recommended_settings("edit", advised) == from_pipeline(own).recommended
    index = json.loads((folder / "model_index.json").read_text())
    index["_recommended"] = {"edit": {"num_inference_steps": 8}}
    (folder / "model_index.json").write_text(json.dumps(index))
    advised, _, _ = read_advice(folder)
    loaded = load(str(folder), kind="edit", device="cpu")
    assert recommended_settings("edit", advised) == loaded.recommended
    assert loaded.recommended == replace(from_pipeline(own).recommended, num_inference_steps=8)


@pytest.mark.parametrize(("name", "guided"), CASES)
def test_a_folder_gives_the_same_picture_as_the_pipeline_it_came_from(
    name: str, tmp_path: Path, guided: bool
) -> None:
    folder = EDITING[name].folder(tmp_path, guided=guided)
    assert is_edit_model(folder)
    one, other = (
        np.asarray(editor.edit(edit()).edited_image).astype(int)
        for editor in (
            InstructPix2PixEditor.from_pretrained(str(folder), device="cpu"),
            InstructPix2PixEditor.from_pipeline(EDITING[name].pipeline(guided=guided)),
        )
    )
    # The weights are the same; where they lie in memory may change the last bits of a long product.
    assert np.abs(one - other).max() <= 1


def test_large_parts_are_read_in_the_format_that_they_are_used_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the memory would not be there; the autoencoder's rounding would be seen."""
    folder = EDITING[name].folder(tmp_path)
    found: list[tuple[str, torch.dtype]] = []
    whole = checkpoints._weights

    def weights(path: Path, *args: Any, **options: Any) -> Any:
        module = whole(path, *args, **options)
        found.append((path.name, next(module.parameters()).dtype))
        return module

    monkeypatch.setattr(checkpoints, "_weights", weights)
    model = load(str(folder), kind="edit", device="cpu", dtype=torch.bfloat16)
    assert {dtype for part, dtype in found if part != "vae"} == {model.dtype} == {torch.bfloat16}
    assert dict(found)["vae"] == torch.float32 and len(found) >= 3
    result = InstructPix2PixEditor(model).edit(edit(num_inference_steps=1))
    assert result.edited_image.size == (64, 64) and result.dtype == "bfloat16"


def test_a_folder_that_cannot_be_used_is_a_sentence(name: str, tmp_path: Path) -> None:
    folder = EDITING[name].folder(tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    lora = Lora(path=tmp_path / "ink.safetensors")
    save_file({"unet.a.lora_A.weight": torch.zeros(1)}, lora.path)
    with pytest.raises(IncompatibleModel, match=r"ink\.safetensors: .*give a LoRA that was made for"):
        InstructPix2PixEditor.from_pretrained(str(folder), loras=[lora])
    with pytest.raises(InvalidConfig, match="which is edited with but not trained"):
        load_for_training("init_from", str(folder), "edit")
    for part, named, says in (
        ("vae", ["diffusers", "AutoencoderKLWan"], "made of .*AutoencoderKLWan"),
        ("text_encoder", ["own_code", "Reader"], "its text_encoder is code of its own"),
        ("_class_name", "SanaPipeline", "lacks its|give a model in the layout of .*, DreamLite, FLUX"),
    ):
        (folder / "model_index.json").write_text(json.dumps({**index, part: named}))
        with pytest.raises(IncompatibleModel, match=says):
            InstructPix2PixEditor.from_pretrained(str(folder))


def test_a_scheduler_of_another_kind_is_a_sentence(name: str, tmp_path: Path) -> None:
    pipe = EDITING[name].pipeline()
    folder = EDITING[name].folder(tmp_path)
    for scheduler in (tiny.build_scheduler("ddim"), FlowMatchHeunDiscreteScheduler()):
        pipe.scheduler = scheduler
        with pytest.raises(IncompatibleModel, match=f"{type(scheduler).__name__} does not go straight"):
            from_pipeline(pipe)
        scheduler.save_pretrained(folder / "scheduler")
        with pytest.raises(IncompatibleModel, match="give it a FlowMatchEulerDiscreteScheduler"):
            load(str(folder), kind="edit", device="cpu")


def test_a_processor_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    folder = tiny_dreamlite.folder(tmp_path)
    (folder / "processor" / "preprocessor_config.json").write_text("{")
    with pytest.raises(IncompatibleModel, match="its processor cannot be read"):
        InstructPix2PixEditor.from_pretrained(str(folder))


def test_a_revision_follows_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def model_info(_: Any, name: str, *, revision: str | None, **__: Any) -> None:
        asked.append((name, revision))
        raise OSError("there is no network here")

    monkeypatch.setattr(HfApi, "model_info", model_info)
    for called in ("someone/lite", "someone/lite@diffusers"):
        with pytest.raises(IncompatibleModel, match=f"{called}: .*could not be fetched"):
            InstructPix2PixEditor.from_pretrained(called)
    assert asked == [("someone/lite", None), ("someone/lite", "diffusers")]


@pytest.mark.parametrize("kind", [Qwen3VLProcessor, Qwen2VLProcessor])
@pytest.mark.parametrize(
    ("prompts", "pictures"),
    [
        (["<|vision_start|><|image_pad|><|vision_end|>make it night", "<|image_pad|>snow <|im_end|>"], 2),
        (["Picture 1: <|image_pad|>Picture 2: <|image_pad|>put both together"], 2),
        (["make it night", "snow"], 0),
    ],
)
def test_pictures_and_words_are_read_as_transformers_reads_them(
    kind: Any, prompts: list[str], pictures: int
) -> None:
    class WithoutVideos(kind):
        def check_argument_for_proper_class(self, *_: Any) -> None:
            """Take None for what reads videos, which needs one more package."""

    images, words = tiny_dreamlite.image_processor(), tiny_dreamlite.tokenizer()
    shown = [tiny.photo((64, 32)), tiny.photo((512, 512), seed=1)][:pictures]
    told: dict[str, Any] = {
        "text": prompts,
        "images": shown or None,
        "padding": True,
        "return_tensors": "pt",
    }
    mine, read = QwenProcessor(images, words)(**told), WithoutVideos(images, words, None)(**told)
    assert set(mine) == set(read)
    assert all(torch.equal(mine[part], read[part]) for part in read)
