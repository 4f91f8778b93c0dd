"""Stable Diffusion 3 and FLUX.1, toys of the real classes: they draw as their pipelines, and edit by prompts.

Each law holds for all: the pipeline's own pictures where nothing acts, and Prompt-to-Prompt's where it does.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

from editors import (
    IncompatibleModel,
    InstructPix2PixEditor,
    InvalidEdit,
    LocalBlend,
    OutpaintEdit,
    PromptEdit,
    PromptToPromptEditor,
    RePaintEditor,
)
from editors.errors import AlignmentError
from editors.model.loading.kinds import is_edit_model
from editors.model.loading.load import from_pipeline, load
from editors.model.loading.needs import needs_of
from editors.requests.edits import INVERSIONS
from evaluation.sampling import Sampling, draw, round_trip, sdedit
from tests import tiny, tiny_flux, tiny_kontext, tiny_sd3

MODELS: dict[str, Any] = {
    "sd3": tiny_sd3.pipeline,
    "sd3, two encoders": lambda: tiny_sd3.pipeline(third=False),
    "flux": tiny_flux.pipeline,
    "flux, without guidance": lambda: tiny_flux.pipeline(guided=False),
}
TAKES = {"sd3": (28, 7), "sd3, two encoders": (28, 7), "flux": (28, 1), "flux, without guidance": (4, 1)}
"""Steps and scale that their pipelines take, or their cards, where nobody says."""
SWAP = {"original_prompt": "a cat on a bench", "edited_prompt": "a dog on a bench"}
LONGER = {"original_prompt": "a cat on a bench", "edited_prompt": "a red chinchilla on a bench in the snow"}
STEPS = 4


KINDS = ("sd3", "flux")
"""On which laws are tried that do not depend on how many encoders there are, nor on what guidance is told."""
on_both_kinds = pytest.mark.parametrize("name", KINDS, indirect=True)


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pipe(name: str) -> Any:
    return MODELS[name]()


@pytest.fixture(scope="module")
def editor(pipe: Any) -> PromptToPromptEditor:
    return PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)


def edit(**options: Any) -> PromptEdit:
    size = {} if "original_image" in options else {"width": 48, "height": 40}
    return PromptEdit(**{"num_inference_steps": STEPS, "seed": 3, **size, **SWAP, **options})


def final(editor: PromptToPromptEditor, request: PromptEdit) -> torch.Tensor:
    return list(editor.stream(request))[-1].latents


def pixels(image: Any) -> Any:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("size", [(64, 64), (48, 40), (40, 64)])
@pytest.mark.parametrize("scale", [None, 4.0])
def test_without_windows_both_pictures_are_those_of_the_pipeline(
    name: str, pipe: Any, editor: PromptToPromptEditor, size: tuple[int, int], scale: float | None
) -> None:
    width, height = size
    request = edit(
        width=width, height=height, cross_replace_steps=0, self_replace_steps=0, guidance_scale=scale
    )
    drawn = editor.model.decode(final(editor, request))
    told: dict[str, Any] = {"guidance_scale": scale or TAKES[name][1]}
    if "flux" in name:
        told = {} if scale is None else {"true_cfg_scale": scale, "negative_prompt": ""}
    for mine, prompt in zip(drawn, SWAP.values(), strict=True):
        theirs = pipe(
            prompt,
            width=width,
            height=height,
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(3),
            output_type="pt",
            **told,
        ).images[0]
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_noise_levels_that_follow_the_size_are_the_pipeline_s() -> None:
    pipe = tiny_sd3.pipeline()
    pipe.scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    editor = PromptToPromptEditor.from_pipeline(pipe)
    request = edit(cross_replace_steps=0, self_replace_steps=0)
    drawn = editor.model.decode(final(editor, request)[:1])
    theirs = pipe(
        SWAP["original_prompt"],
        width=48,
        height=40,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
    ).images
    torch.testing.assert_close(drawn, theirs, rtol=0, atol=1e-5)


def test_it_recommends_what_its_pipeline_takes(name: str, editor: PromptToPromptEditor) -> None:
    own = editor.recommended
    assert (own.num_inference_steps, own.guidance_scale) == TAKES[name]
    assert (own.cross_replace_steps, own.self_replace_steps) == (0.4, 0.4)
    result = editor.edit(edit(num_inference_steps=1))
    assert result.num_unet_rows == (2 if TAKES[name][1] == 1 else 4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"operation": "refine"},
        {"recipe": "instruct_pix2pix", "self_replace_steps": 0.6},
        {"cross_replace_steps": {"cat": 0.3, "default": (0.2, 0.9)}},
        {"word_weights": {"bench": 1.0}},
        {"local_blend": LocalBlend(original=("cat",), edited=("cat",))},
    ],
)
@on_both_kinds
def test_the_same_prompt_twice_is_the_same_picture_bit_for_bit(
    editor: PromptToPromptEditor, options: dict[str, Any]
) -> None:
    original, edited = final(editor, edit(edited_prompt=SWAP["original_prompt"], **options))
    assert torch.equal(original, edited)


ACTING: dict[str, dict[str, Any]] = {
    "plain": {"cross_replace_steps": 0, "self_replace_steps": 0},
    "words": {"cross_replace_steps": 1, "self_replace_steps": 0},
    "picture": {"cross_replace_steps": 0, "self_replace_steps": 1},
    "both": {"cross_replace_steps": 1, "self_replace_steps": 1},
    "half of the steps": {"cross_replace_steps": 0.5, "self_replace_steps": 0},
    "one word": {"cross_replace_steps": {"dog": 0, "default": 1}, "self_replace_steps": 0},
    "weighed": {"cross_replace_steps": 1, "self_replace_steps": 1, "word_weights": {"bench": -2}},
    "first layers": {"cross_replace_steps": 1, "self_replace_steps": 1, "layers": 0.5},
    "later layers": {"cross_replace_steps": 1, "self_replace_steps": 1, "layers": (0.5, 1)},
    "begun late": {"cross_replace_steps": 0, "self_replace_steps": 0, "start": 0.5},
    "longer": {"cross_replace_steps": 1, "self_replace_steps": 1, **LONGER},
    "longer, words": {"cross_replace_steps": 1, "self_replace_steps": 0, **LONGER},
}


@pytest.fixture(scope="module")
def drawn(editor: PromptToPromptEditor) -> dict[str, torch.Tensor]:
    return {called: final(editor, edit(**options)) for called, options in ACTING.items()}


@on_both_kinds
def test_the_original_does_not_depend_on_the_edit(drawn: dict[str, torch.Tensor]) -> None:
    first, *others = (latents[0] for latents in drawn.values())
    assert all(torch.equal(first, other) for other in others)


@on_both_kinds
def test_every_control_does_something_of_its_own(drawn: dict[str, torch.Tensor]) -> None:
    edited = [latents[1] for latents in drawn.values()]
    assert all(not torch.equal(one, other) for n, one in enumerate(edited) for other in edited[:n])


@on_both_kinds
def test_taking_attention_over_keeps_closer_to_the_original(drawn: dict[str, torch.Tensor]) -> None:
    def apart(called: str) -> float:
        original, edited = drawn[called]
        return float((edited - original).square().mean())

    assert apart("words") < apart("half of the steps") < apart("plain")
    assert apart("both") < apart("plain") and apart("begun late") < apart("plain")


@on_both_kinds
def test_edits_side_by_side_are_each_as_if_alone(
    editor: PromptToPromptEditor, drawn: dict[str, torch.Tensor]
) -> None:
    requests = [edit(**options) for options in ACTING.values()]
    together = editor.edit_many(requests)
    for result, (_, alone) in zip(together, drawn.values(), strict=True):
        expected = editor.model.decode(alone[None])[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(pixels(result.edited_image) - expected).max() <= 1.01


@on_both_kinds
def test_what_is_kept_changes_no_bit(pipe: Any, drawn: dict[str, torch.Tensor]) -> None:
    keeping = PromptToPromptEditor.from_pipeline(pipe)
    rows = []
    for called, options in ACTING.items():
        request = edit(**options)
        assert torch.equal(final(keeping, request), drawn[called]), called
        rows.append(keeping.edit(request).num_unet_rows)
    assert 0 < keeping.memory.nbytes <= keeping.memory.budget
    assert set(rows) == {0}  # a second time all of it is known


@on_both_kinds
def test_two_edits_at_once_do_not_meet(editor: PromptToPromptEditor, drawn: dict[str, torch.Tensor]) -> None:
    chosen = ["both", "longer"]
    streams = [editor.stream(edit(**ACTING[called])) for called in chosen]
    *_, last = zip(*streams, strict=True)
    for step, called in zip(last, chosen, strict=True):
        assert torch.equal(step.latents, drawn[called])


@on_both_kinds
def test_an_edit_leaves_the_pipeline_as_it_was(pipe: Any, editor: PromptToPromptEditor) -> None:
    def draw() -> Any:
        return pipe("a cat", width=40, height=40, num_inference_steps=2, output_type="latent").images

    torch.manual_seed(0)
    before = draw()
    stream = editor.stream(edit())
    next(stream)
    stream.close()
    torch.manual_seed(0)
    assert torch.equal(draw(), before)


def test_words_are_found_in_every_encoder_s_tokens(name: str, editor: PromptToPromptEditor) -> None:
    prompt = editor.model.tokenize("edited_prompt", LONGER["edited_prompt"])
    states = editor.model.condition([prompt.text], size=(40, 48)).states
    assert prompt.num_tokens == states.shape[1]
    assert [word.text for word in prompt.words] == prompt.text.split()
    found = prompt.find("a bench", field="x")
    bench = {token for word in prompt.words if word.text == "bench" for token in word.tokens}
    assert len(bench) == (2 if name == "sd3" else 1) and bench < set(found)
    assert sorted(token for word in prompt.words for token in word.tokens) == list(prompt.content)


@on_both_kinds
def test_where_words_are_looked_at_is_shown_and_keeps_an_edit_to_its_place(
    editor: PromptToPromptEditor,
) -> None:
    asked = {**LONGER, "num_inference_steps": 6}
    plain, seen = (editor.edit(edit(**asked, heat_maps=heat)) for heat in (False, True))
    assert np.array_equal(pixels(plain.edited_image), pixels(seen.edited_image))
    assert seen.heat_maps is not None and set(seen.heat_maps) == set(" ".join(LONGER.values()).split())
    assert all(
        heat.shape == (20, 24) and heat.max() == 1 and heat.min() >= 0 for heat in seen.heat_maps.values()
    )
    kept = editor.edit(edit(**asked, local_blend=LocalBlend(edited=("red",), threshold=0.97)))
    apart = (pixels(kept.edited_image) != pixels(kept.original_image)).any(-1)
    assert 0 < apart.mean() < 0.9
    mask = np.zeros((40, 48), np.uint8)
    mask[:, 24:] = 255
    painted = editor.edit(edit(**asked, mask=Image.fromarray(mask)))
    assert np.array_equal(pixels(painted.edited_image)[:, :24], pixels(painted.original_image)[:, :24])
    assert (pixels(painted.edited_image)[:, 24:] != pixels(painted.original_image)[:, 24:]).any()


def test_what_one_encoder_reads_alone_is_drawn_and_edited() -> None:
    """Stable Diffusion 3's third encoder reads more than the others, which the pipeline cuts in silence."""
    begin = "a red house and a green tree and " * 7
    words = [f"{begin}a {thing} on a bench" for thing in ("cat", "dog")]
    pipe = tiny_sd3.pipeline()
    editor = PromptToPromptEditor.from_pipeline(pipe)
    long = {"original_prompt": words[0], "edited_prompt": words[1]}
    first, second = editor.model.tokenize("prompt", words[0]).parts
    assert first.is_cut and not second.is_cut and len(first.words) < len(second.words)
    drawn = editor.model.decode(final(editor, edit(**long, cross_replace_steps=0, self_replace_steps=0)))
    for mine, prompt in zip(drawn, words, strict=True):
        theirs = pipe(
            prompt,
            width=48,
            height=40,
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(3),
            output_type="pt",
        ).images[0]
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    for options in ({}, {"word_weights": {"dog": 3}}, {"operation": "refine"}, {"heat_maps": True}):
        result = editor.edit(edit(**long, **options))
        assert (pixels(result.edited_image) != pixels(result.original_image)).any()
        (note,) = (one for one in result.notes if "encoders" in one)
        assert re.fullmatch(r"Two of the model's three text encoders do not read “tree and .+”\.", note)
    two = PromptToPromptEditor.from_pipeline(tiny_sd3.pipeline(third=False))
    with pytest.raises(AlignmentError, match=r"original_prompt: is \d+ tokens long and the model reads 77"):
        two.edit(edit(**long))


def test_what_cannot_be_is_a_sentence(name: str, editor: PromptToPromptEditor) -> None:
    for options, says in (
        ({"word_weights": {"horse": 2}}, "“horse” is not in edited_prompt; its words are a, dog, on, bench"),
        ({"edited_prompt": "qwzx " * 190}, "tokens long and the model reads"),
        ({"operation": "replace", "edited_prompt": "a dog"}, "original_prompt has 5 words"),
        ({"width": 46}, "this model draws multiples of 4; give 44 or 48"),
        ({"original_image": tiny.photo(), "inversion": "edit_friendly"}, "adds noise at every step"),
    ):
        with pytest.raises((InvalidEdit, AlignmentError), match=says):
            editor.edit(edit(**options))
    if "sd3" in name:
        with pytest.raises(InvalidEdit, match="width: 164 is too large for this model, which draws 160"):
            editor.edit(edit(width=164))
        with pytest.raises(InvalidEdit, match="original_image: is too long and narrow"):
            editor.edit(edit(original_image=tiny.photo((256, 32))))
    with pytest.raises(InvalidEdit, match="has steps of its own"):
        editor.model.with_scheduler("ddim")


def folder(name: str, path: Path) -> Path:
    toy: Any = tiny_sd3 if "sd3" in name else tiny_flux
    told = {"third": "two" not in name} if "sd3" in name else {"guided": "without" not in name}
    place: Path = toy.folder(path, **told)
    return place


def test_a_folder_gives_the_picture_of_the_pipeline_it_came_from(
    name: str, editor: PromptToPromptEditor, tmp_path: Path
) -> None:
    place = folder(name, tmp_path)
    assert not is_edit_model(place)
    loaded = PromptToPromptEditor.from_pretrained(str(place), device="cpu")
    assert loaded.recommended == editor.recommended
    one, other = (pixels(each.edit(edit()).edited_image) for each in (loaded, editor))
    # The weights are the same; where they lie in memory may change the last bits of a long product.
    assert np.abs(one - other).max() <= 1
    needs = needs_of(str(place), device="cpu")
    assert needs is not None
    weights = [tensor for part in loaded.model.modules for tensor in part.state_dict().values()]
    assert needs.num_bytes == 4 * sum({one.data_ptr(): one.numel() for one in weights}.values())


def test_a_model_of_the_other_kind_is_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(IncompatibleModel, match="draws from words alone; give one that follows instructions"):
        InstructPix2PixEditor.from_pretrained(str(folder(name, tmp_path)))
    with pytest.raises(IncompatibleModel, match="follows instructions; give a text-to-image model, or use"):
        PromptToPromptEditor.from_pipeline(tiny_kontext.pipeline())


def test_only_the_third_encoder_can_be_done_without(tmp_path: Path) -> None:
    place = folder("sd3", tmp_path)
    index = json.loads((place / "model_index.json").read_text())
    for lost in ("text_encoder_2", "vae"):
        (place / "model_index.json").write_text(json.dumps({**index, lost: [None, None]}))
        with pytest.raises(IncompatibleModel, match=f"lacks its {lost}"):
            load(str(place), kind="base")
    other = {**index, "transformer": ["diffusers", "SanaTransformer2DModel"]}
    (place / "model_index.json").write_text(json.dumps(other))
    with pytest.raises(IncompatibleModel, match="is made of SanaTransformer2DModel"):
        load(str(place), kind="base")


@pytest.mark.parametrize("inversion", [each for each in INVERSIONS if each != "edit_friendly"])
@on_both_kinds
def test_a_photo_with_equal_prompts_comes_back(editor: PromptToPromptEditor, inversion: Any) -> None:
    photo = tiny.photo((61, 83))
    request = edit(original_image=photo, inversion=inversion, edited_prompt=SWAP["original_prompt"])
    result = editor.edit(request)
    assert np.array_equal(pixels(result.edited_image), pixels(photo))
    original, edited = final(editor, edit(original_image=photo, inversion=inversion))
    assert not torch.equal(original, edited)


@pytest.mark.parametrize("start", [None, 0.5])
@on_both_kinds
@torch.no_grad()
def test_flow_edit_is_that_of_its_paper(editor: PromptToPromptEditor, start: float | None) -> None:
    """Z_tar = Z_edit + Z_src − X, and Z_edit moves by the difference of both velocities (Alg. 1).

    In its last n_max steps of N, which is from `start` on.
    """
    model = editor.model
    request = edit(
        original_image=tiny.photo((48, 40)),
        inversion="flow_edit",
        cross_replace_steps=0,
        self_replace_steps=0,
        guidance_scale=3.0,
        start=start,
    )
    steps = list(editor.stream(request))
    noised = [step.latents for step in steps[:STEPS]]  # Z_src of every level, as the inversion went
    found = steps[-1].latents[1]
    x = steps[-1].latents[0]
    scheduler = model.new_scheduler((x.shape[-2], x.shape[-1]))
    scheduler.set_timesteps(STEPS)
    size = (x.shape[-2] * 2, x.shape[-1] * 2)
    empty = model.unconditional(size=size)

    def velocity(latents: torch.Tensor, timestep: torch.Tensor, prompt: str) -> torch.Tensor:
        none, said = (
            model.network.predict(latents, timestep, told)
            for told in (empty, model.condition([prompt], size=size))
        )
        return none + 3.0 * (said - none)

    z = x[None].clone()
    sigmas = scheduler.sigmas
    for index, (timestep, source) in enumerate(zip(scheduler.timesteps, noised, strict=True)):
        if index < (start or 0) * STEPS:
            continue
        change = velocity(z + source - x, timestep, SWAP["edited_prompt"]) - velocity(
            source, timestep, SWAP["original_prompt"]
        )
        z = z + (sigmas[index + 1] - sigmas[index]) * change
    torch.testing.assert_close(found, z[0], rtol=1e-4, atol=1e-4)


@on_both_kinds
def test_a_picture_is_extended(editor: PromptToPromptEditor) -> None:
    photo = tiny.photo((40, 40))
    repaint = RePaintEditor(editor.model)
    request = OutpaintEdit(
        original_image=photo, prompt="a park", right=24, num_inference_steps=3, num_resamples=2, seed=1
    )
    result = repaint.edit(request)
    assert result.edited_image.size == (64, 40)
    assert np.array_equal(pixels(result.edited_image)[:, :40], pixels(photo))
    assert np.array_equal(pixels(repaint.edit(request).edited_image), pixels(result.edited_image))


@on_both_kinds
def test_evaluations_draw_with_it(pipe: Any, editor: PromptToPromptEditor) -> None:
    how = Sampling(size=40, guidance_scale=editor.recommended.guidance_scale, num_inference_steps=STEPS)
    words, seeds = list(SWAP.values()), [3, 3]
    drawn = draw(editor.model, words, seeds, how)
    request = edit(width=40, height=40, cross_replace_steps=0, self_replace_steps=0)
    result = editor.edit(request)
    for mine, theirs in zip(drawn, (result.original_image, result.edited_image), strict=True):
        assert np.abs(mine.astype(int) - pixels(theirs)).max() <= 1
    changed = sdedit(editor.model, drawn, words[::-1], seeds, how, strength=1)
    assert np.abs(changed.astype(int) - drawn[::-1]).max() <= 1  # all of it is drawn anew
    little, much = (
        np.abs(
            sdedit(editor.model, drawn, words, seeds, how, strength=strength).astype(int)
            - round_trip(editor.model, drawn)
        ).mean()
        for strength in (0.25, 0.75)
    )
    assert 0 < little < much


def test_the_docs_have_a_row_of_it(name: str, pipe: Any) -> None:
    model = from_pipeline(pipe)
    assert model.kind == "base" and not model.is_trainable
    rows = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    read = max(part.num_tokens for part in model.tokenize("x", "a cat").parts if part.ids)
    steps, scale = TAKES[name]
    assert re.search(rf"`{type(pipe).__name__}`.* \| {read} \| {steps} \| {scale} \|", rows)
