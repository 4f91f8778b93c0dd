"""The editor of prompts, on toy pipelines of the real classes: the laws of a pair."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from PIL import Image

from editors.errors import AlignmentError, EditFailed, IncompatibleModel, InvalidEdit
from editors.model.attention import ControlledAttnProcessor
from editors.model.loading.load import from_pipeline
from editors.prompt_to_prompt import controls, looks, recorder
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.prompt_to_prompt.windows import window_steps
from editors.requests.edits import LocalBlend, PromptEdit
from editors.requests.settings import resolve
from editors.running import run_to_end
from tests import tiny

SWAP = {"original_prompt": "a cat on a bench", "edited_prompt": "a dog on a bench"}
LONGER = {"original_prompt": "a cat on a bench", "edited_prompt": "a red chinchilla on a bench in the snow"}

NEW_WORDS = ("red", "chinchilla", "in", "the", "snow")


def pipeline(**options):
    pipe = tiny.pipeline(kind="base", **options)
    with torch.no_grad():  # so that the text matters
        for name, parameter in pipe.unet.named_parameters():
            if "attn2" in name:
                parameter.mul_(3)
    return pipe


@pytest.fixture(scope="module", params=["clip", "bert"])
def editor(request):
    """One that keeps nothing: every law is that of an edit from the beginning. See test_memory."""
    return PromptToPromptEditor.from_pipeline(pipeline(text=request.param), cache_bytes=0)


def edit(**options):
    return PromptEdit(**{"num_inference_steps": 4, "seed": 3, **SWAP, **options})


def pixels(image):
    return np.asarray(image).astype(int)


def final(editor, request):
    *_, last = editor.stream(request)
    return last.latents


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"operation": "refine"},
        {"recipe": "instruct_pix2pix", "self_replace_steps": 0.6},
        {"cross_replace_steps": {"cat": 0.3, "default": (0.2, 0.9)}},
        {"cross_replace_steps": 0, "self_replace_steps": 0},
        {"word_weights": {"bench": 1.0}},
        {"height": 40, "width": 24},
        {"local_blend": LocalBlend(original=("cat",), edited=("cat",))},
    ],
)
def test_the_same_prompt_twice_is_the_same_picture_bit_for_bit(editor, options):
    request = edit(edited_prompt=SWAP["original_prompt"], **options)
    original, edited = final(editor, request)
    assert torch.equal(original, edited)
    result = editor.edit(request)
    assert np.array_equal(pixels(result.original_image), pixels(result.edited_image))


def test_what_a_request_leaves_open_is_what_the_model_recommends():
    pipe = pipeline()
    told = {
        "num_inference_steps": 3,
        "guidance_scale": 3.0,
        "cross_replace_steps": 0.25,
        "self_replace_steps": 0.5,
    }
    standard = {
        "num_inference_steps": 50,
        "guidance_scale": 7.5,
        "cross_replace_steps": 0.8,
        "self_replace_steps": 0.4,
    }
    for recommends, taken in (({}, standard), (told, told)):
        model = replace(from_pipeline(pipe), recommends={"base": recommends})
        assert asdict(model.recommended).items() >= taken.items()
        assert resolve(edit(num_inference_steps=None), model).edit == edit(**taken)
        own = resolve(edit(num_inference_steps=None, self_replace_steps=1), model)
        assert own.edit == edit(**{**taken, "self_replace_steps": 1})
    editor = PromptToPromptEditor(model, cache_bytes=0)
    result = editor.edit(edit(num_inference_steps=None))
    assert result.edit == edit(**told)
    assert np.array_equal(pixels(result.edited_image), pixels(editor.edit(edit(**told)).edited_image))


@pytest.mark.parametrize("scheduler", tiny.SCHEDULERS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_without_windows_both_pictures_are_the_plain_ones(scheduler, prediction):
    """Those of diffusers' own pipeline, for every scheduler and prediction; ancestral noise is shared."""
    pipe = pipeline(scheduler=scheduler, prediction=prediction)
    request = edit(**LONGER, cross_replace_steps=0, self_replace_steps=0, width=40, height=24)
    result = PromptToPromptEditor.from_pipeline(pipe).edit(request)
    for prompt, ours in (
        (request.original_prompt, result.original_image),
        (request.edited_prompt, result.edited_image),
    ):
        theirs = pipe(
            prompt,
            num_inference_steps=4,
            guidance_scale=7.5,
            width=40,
            height=24,
            generator=torch.Generator().manual_seed(3),
        ).images[0]
        assert np.abs(pixels(ours) - pixels(theirs)).max() <= 1


@pytest.mark.parametrize("scheduler", tiny.SCHEDULERS)
def test_the_original_is_untouched_by_any_edit(scheduler):
    editor = PromptToPromptEditor.from_pipeline(pipeline(scheduler=scheduler))
    plain = final(editor, edit(cross_replace_steps=0, self_replace_steps=0))
    for options in (
        {},
        LONGER,
        {"word_weights": {"bench": 4, "dog": -1}},
        {"recipe": "instruct_pix2pix", "self_replace_steps": 1},
        {"local_blend": LocalBlend(original=("cat",), edited=("dog",))},
        {"edited_prompt": SWAP["original_prompt"]},
    ):
        original, edited = final(editor, edit(**options))
        assert torch.equal(original, plain[0])
        if options.get("edited_prompt") != SWAP["original_prompt"]:
            assert not torch.equal(edited, original)


def test_weights_of_one_change_nothing_and_others_do(editor):
    without = final(editor, edit())
    assert torch.equal(final(editor, edit(word_weights={"dog": 1, "bench": 1.0})), without)
    for weight in (0, 0.5, 5, -2):
        _, edited = final(editor, edit(word_weights={"bench": weight}))
        assert not torch.equal(edited, without[1])


def test_the_operations_and_windows_differ(editor):
    rows = [
        final(editor, edit(**options))[1]
        for options in (
            {"operation": "replace"},
            {"operation": "refine"},
            {"cross_replace_steps": 0.5},
            {"cross_replace_steps": (0.5, 1)},
            {"cross_replace_steps": {"dog": 0.5, "default": 0.8}},
            {"self_replace_steps": 0},
            {"self_replace_steps": 1},
            {"recipe": "instruct_pix2pix"},
        )
    ]
    assert all(not torch.equal(one, other) for n, one in enumerate(rows) for other in rows[:n])
    assert torch.equal(final(editor, edit())[1], rows[0])  # auto: a swap
    assert torch.equal(
        final(editor, edit(cross_replace_steps=1)), final(editor, edit(cross_replace_steps=1.0))
    )


@pytest.mark.parametrize(("guidance_scale", "rows"), [(7.5, 4), (0.5, 4), (1, 2), (0, 2)])
def test_a_pair_costs_four_rows_a_step_at_most(editor, guidance_scale, rows):
    seen = []
    hook = editor.model.unet.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    try:
        result = editor.edit(edit(guidance_scale=guidance_scale, local_blend=LocalBlend(edited=("dog",))))
    finally:
        hook.remove()
    assert sum(seen) == result.num_unet_rows == 4 * rows
    if guidance_scale == 0:
        assert np.array_equal(pixels(result.original_image), pixels(result.edited_image))


class Watch:
    """Notes the queries and keys that each picture attended with, per step and site."""

    def __init__(self, monkeypatch):
        self.originals: dict[Any, Any] = {}
        self.edits: dict[Any, Any] = {}
        self.noted(
            monkeypatch,
            looks,
            controls.EditControl,
            self.edits,
        )
        self.noted(
            monkeypatch,
            recorder,
            recorder.Recorder,
            self.originals,
        )

    def noted(self, monkeypatch, module, control, calls):
        attend, located = module.attend, control.attend
        now: list[Any] = []

        def noting(query, key, value, mask):
            calls.setdefault(now[-1], []).append((query, key))
            return attend(query, key, value, mask)

        def at(self, query, key, value, mask, *, site, step, **options):
            now.append((site, step))
            return located(self, query, key, value, mask, site=site, step=step, **options)

        monkeypatch.setattr(module, "attend", noting)
        monkeypatch.setattr(control, "attend", at)

    def copied(self, half, *, is_cross, level):
        """Steps in which the edit attends with the original's queries and keys."""
        return sorted(
            {
                step
                for (site, step), ((query, key), *_) in self.edits.items()
                if site.is_cross == is_cross
                and site.level == level
                and torch.equal(query[half], self.originals[site, step][0][0][half])
                and torch.equal(key[half], self.originals[site, step][0][1][half])
            }
        )


UNCONDITIONAL, CONDITIONAL = 0, 1


@pytest.mark.parametrize("scheduler", ["ddim", "pndm"])
def test_the_paper_s_recipe_acts_in_its_steps_layers_and_half(scheduler, monkeypatch):
    editor = PromptToPromptEditor.from_pipeline(pipeline(scheduler=scheduler))
    watch = Watch(monkeypatch)
    request = edit(cross_replace_steps=0.8, self_replace_steps=(0.25, 0.5))
    num_calls = len(list(editor.stream(request)))
    cross = list(window_steps(0.8, num_calls))
    inside = list(window_steps((0.25, 0.5), num_calls))
    # In the very first step both rows are the same noise: queries and keys of self-attention agree by nature.
    assert watch.copied(CONDITIONAL, is_cross=True, level=0) == cross
    assert watch.copied(CONDITIONAL, is_cross=True, level=1) == cross
    assert watch.copied(CONDITIONAL, is_cross=False, level=1) == inside
    assert set(watch.copied(CONDITIONAL, is_cross=False, level=0)) <= {0}
    for is_cross in (True, False):
        assert set(watch.copied(UNCONDITIONAL, is_cross=is_cross, level=0)) <= {0}


def test_the_recipe_of_instruct_pix2pix_takes_all_self_attention_in_both_halves(monkeypatch):
    editor = PromptToPromptEditor.from_pipeline(pipeline(scheduler="euler-a"))
    watch = Watch(monkeypatch)
    list(editor.stream(edit(recipe="instruct_pix2pix", self_replace_steps=(0.5, 1))))
    for half in (UNCONDITIONAL, CONDITIONAL):
        for level in (0, 1):
            assert set(watch.copied(half, is_cross=False, level=level)) - {0} == {2, 3}
    assert watch.copied(CONDITIONAL, is_cross=True, level=0) == []


def test_an_edit_acts_in_its_layers_alone(monkeypatch):
    editor = PromptToPromptEditor.from_pipeline(pipeline())
    sites = editor.model.attention_sites()
    assert [site.depth for site in sites] == [number / len(sites) for number in range(len(sites))]
    order = [site.name.partition("_")[0] for site in sites]
    assert order == sorted(order, key=["down", "mid", "up"].index)
    watch = Watch(monkeypatch)
    list(editor.stream(edit(cross_replace_steps=1, self_replace_steps=0, layers=(0.4, 0.8))))
    copied = {
        site.name
        for (site, step), ((query, _), *_) in watch.edits.items()
        if site.is_cross and step and torch.equal(query[1], watch.originals[site, step][0][0][1])
    }
    assert copied == {site.name for site in sites if site.is_cross and 0.4 <= site.depth < 0.8}
    bare, none = (
        final(editor, edit(**options))
        for options in ({"layers": 0}, {"cross_replace_steps": 0, "self_replace_steps": 0})
    )
    assert torch.equal(bare, none)


@pytest.mark.parametrize("scheduler", tiny.SCHEDULERS)
def test_until_it_begins_an_edit_is_its_original(scheduler):
    """And costs nothing, whatever a scheduler remembers of earlier steps."""
    editor = PromptToPromptEditor.from_pipeline(pipeline(scheduler=scheduler), cache_bytes=0)
    steps = list(editor.stream(edit(start=0.5)))
    whole = editor.edit(edit()).num_unet_rows
    late = editor.edit(edit(start=0.5)).num_unet_rows
    begin = window_steps((0.5, 1), len(steps)).start
    assert late == whole - 2 * begin
    for step in steps:
        original, edited = step.latents
        assert torch.equal(original, edited) == (step.index < begin)
    assert torch.equal(steps[-1].latents[0], final(editor, edit())[0])
    never = final(editor, edit(start=1.0))
    assert torch.equal(never[0], never[1])


def test_the_noise_on_the_way_is_the_same_in_both_rows():
    """With the text silenced the rows can differ only by their noise."""
    pipe = pipeline(scheduler="euler-a")
    with torch.no_grad():
        for name, parameter in pipe.unet.named_parameters():
            if "attn2.to_out" in name:
                parameter.zero_()
    editor = PromptToPromptEditor.from_pipeline(pipe)
    for recipe in ("paper", "instruct_pix2pix"):
        for step in editor.stream(edit(recipe=recipe)):
            torch.testing.assert_close(step.latents[0], step.latents[1], rtol=0, atol=1e-4)


MANY: list[dict[str, Any]] = [
    {},
    {"seed": 9},
    {**LONGER, "local_blend": LocalBlend(original=("cat",), edited=("chinchilla",), threshold=0.9, start=0)},
    {"edited_prompt": "a bird on a bench", "word_weights": {"bench": 2}},
    {"recipe": "instruct_pix2pix", "self_replace_steps": 0.6},
    {"num_inference_steps": 3},
    {"guidance_scale": 1},
    {"edited_prompt": SWAP["original_prompt"]},
    {"seed": 9, **LONGER, "recipe": "instruct_pix2pix", "cross_replace_steps": {"bench": 0.5}},
]


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_many_edits_are_each_as_if_alone(scheduler, batch_size, monkeypatch):
    editor = PromptToPromptEditor.from_pipeline(pipeline(scheduler=scheduler), cache_bytes=0)
    decoded: list[Any] = []
    picture = editor._picture

    def noted(row):
        decoded.append(row)
        return picture(row)

    monkeypatch.setattr(editor, "_picture", noted)
    requests = [edit(**options) for options in MANY]
    results = editor.edit_many(requests, batch_size=batch_size)
    together = list(decoded)
    for request, result in zip(requests, results, strict=True):
        decoded.clear()
        alone = editor.edit(request)
        assert result.edit == alone.edit
        assert np.abs(pixels(result.edited_image) - pixels(alone.edited_image)).max() <= 1
        assert np.abs(pixels(result.original_image) - pixels(alone.original_image)).max() <= 1
        for row in decoded:
            assert min((row - other).abs().max() for other in together if other.shape == row.shape) <= 1e-4


def test_edits_of_one_original_share_its_rows(editor):
    animals = ["dog", "bird", "man", "tree", "car"]
    requests = [edit(edited_prompt=f"a {animal} on a bench") for animal in animals]
    assert sum(result.num_unet_rows for result in editor.edit_many(requests)) == 4 * (2 + 2 * len(animals))
    others = [*requests, edit(seed=4), edit(seed=4, edited_prompt="a man on a bench")]
    calls = []
    hook = editor.model.unet.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    try:
        results = editor.edit_many(others)
    finally:
        hook.remove()
    assert calls == [4, 14] * 4 and sum(calls) == sum(result.num_unet_rows for result in results)
    assert editor.edit_many([]) == []
    with pytest.raises(InvalidEdit, match="batch_size: 0"):
        editor.edit_many(requests, batch_size=0)
    with pytest.raises(AlignmentError, match="cow"):
        editor.edit_many([*requests, edit(word_weights={"cow": 2})])


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "instruct_pix2pix"},
        {"heat_maps": True, "local_blend": LocalBlend(original=("cat",), edited=("dog",), start=0)},
    ],
    ids=["instruct_pix2pix", "paper"],
)
def test_edits_that_differ_in_a_window_share_their_rows_until_they_part(editor, options):
    """With windows of 2, 4 and 6 of 8 steps: one row, from step 2 on two of them, from step 4 on three."""
    windows = (0.5, 0.25, 0.75)
    requests = [edit(num_inference_steps=8, self_replace_steps=w, **options) for w in windows]
    results = editor.edit_many([*requests, edit(num_inference_steps=8, seed=4, **options)])
    rows = 2 * 8 + 2 * (1 * 2 + 2 * 2 + 3 * 4)
    assert [result.num_unet_rows for result in results] == [32, 2 * 6, 2 * 4, 32]
    assert sum(result.num_unet_rows for result in results[:3]) == rows
    for request, result in zip(requests, results, strict=False):
        alone = editor.edit(request)
        assert np.abs(pixels(result.edited_image) - pixels(alone.edited_image)).max() <= 1
        if request.heat_maps:
            assert result.heat_maps.keys() == alone.heat_maps.keys()
            for word, told in result.heat_maps.items():
                assert np.allclose(told, alone.heat_maps[word], atol=1e-4)


def test_interleaved_edits_are_each_alone(editor):
    requests = [edit(), edit(**LONGER, word_weights={"snow": 2}), edit(seed=9, recipe="instruct_pix2pix")]
    alone = [final(editor, request) for request in requests]
    streams = [editor.stream(request) for request in requests]
    latest = {}
    for _ in range(4):
        for n, stream in enumerate(streams):
            latest[n] = next(stream).latents
    assert all(torch.equal(latest[n], expected) for n, expected in enumerate(alone))


def test_after_success_error_or_cancel_nothing_is_left_on_the_model(editor):
    unet = editor.model.unet

    def state():
        processors = unet.attn_processors
        weights = sum(float(parameter.double().sum()) for parameter in unet.parameters())
        hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in unet.modules()]
        return {name: (id(each), str(vars(each))) for name, each in processors.items()}, weights, hooks

    before, plain = state(), final(editor, edit(cross_replace_steps=0, self_replace_steps=0))
    editor.edit(edit(local_blend=LocalBlend(edited=("dog",))))
    stream = editor.stream(edit())
    next(stream)
    stream.close()
    with pytest.raises(AlignmentError):
        editor.edit(edit(word_weights={"cow": 2}))
    with pytest.raises(EditFailed):
        with torch.no_grad():
            bias = unet.conv_out.bias
            kept = bias.clone()
            bias.fill_(float("nan"))
        try:
            editor.edit(edit())
        finally:
            with torch.no_grad():
                bias.copy_(kept)
    assert state() == before
    assert torch.equal(final(editor, edit(cross_replace_steps=0, self_replace_steps=0)), plain)
    assert all(parameter.grad is None for parameter in unet.parameters())


def test_a_lent_pipeline_keeps_its_pictures_and_may_reset_its_processors():
    pipe = pipeline()

    def picture():
        generator = torch.Generator().manual_seed(0)
        return pixels(pipe("a cat", num_inference_steps=2, generator=generator).images[0])

    before = picture()
    editor = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    expected = final(editor, edit())
    assert np.array_equal(picture(), before)
    pipe.unet.set_attn_processor(AttnProcessor2_0())
    assert torch.equal(final(editor, edit()), expected)
    assert all(isinstance(each, ControlledAttnProcessor) for each in pipe.unet.attn_processors.values())


@pytest.mark.parametrize("size", [(32, 32), (48, 24), (28, 60)])
def test_local_blend_leaves_the_rest_as_it_was_pixel_for_pixel(editor, size):
    width, height = size
    words = LocalBlend(original=("cat",), edited=("dog",), threshold=0.9, start=0)
    request = edit(width=width, height=height, local_blend=words)
    free, blended = final(editor, edit(width=width, height=height)), final(editor, request)
    kept = (blended[1] == blended[0]).all(0)
    assert torch.equal(free[0], blended[0])
    assert 0 < kept.sum() < kept.numel()
    result = editor.edit(request)
    assert result.edited_image.size == result.original_image.size == size
    cell = editor.model.vae_scale_factor
    outside = kept.repeat_interleave(cell, 0).repeat_interleave(cell, 1).numpy()
    same = (pixels(result.edited_image) == pixels(result.original_image)).all(2)
    assert same[outside].all() and not same.all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, LocalBlend(original=("cat",), edited=("dog",), threshold=0.7)),
        (LONGER, LocalBlend(original=("cat",), edited=NEW_WORDS, threshold=0.7)),
        (
            {"word_weights": {"bench": 4}},
            LocalBlend(original=("cat",), edited=("dog", "bench"), threshold=0.7),
        ),
    ],
)
def test_only_is_a_local_blend_of_the_words_that_changed(editor, changes, words):
    only, named = (editor.edit(edit(**changes, **how)) for how in ({"only": 0.7}, {"local_blend": words}))
    assert np.array_equal(pixels(only.edited_image), pixels(named.edited_image))
    free = editor.edit(edit(**changes))
    nothing = editor.edit(edit(**changes, only=0))
    assert np.array_equal(pixels(nothing.edited_image), pixels(free.edited_image))


def test_a_word_that_stands_twice_and_changed_once_counts_where_it_changed(editor):
    request = edit(original_prompt="a cat", edited_prompt="a cat a dog", only=0.7)
    words = editor._read(resolve(request, editor.model)).words
    assert words is not None
    assert [int(row.sum()) for row in words] == [0, len(words[1].nonzero())]
    edited = editor.model.text.tokenize("edited_prompt", "a cat a dog")
    assert words[1].nonzero().flatten().tolist() == [
        token for word in edited.words[2:] for token in word.tokens
    ]


def test_a_painted_mask_holds_to_the_pixel(editor):
    painted = Image.new("L", (48, 32), 0)
    painted.paste(255, (5, 9, 30, 22))
    inside = np.asarray(painted) > 0
    free = editor.edit(edit(width=48, height=32))
    masked = editor.edit(edit(width=48, height=32, mask=painted))
    same = (pixels(masked.edited_image) == pixels(masked.original_image)).all(2)
    assert same[~inside].all() and not same[inside].all()
    assert np.array_equal(pixels(masked.original_image), pixels(free.original_image))
    painted.paste(255, (0, 0, 48, 31))
    almost = editor.edit(edit(width=48, height=32, mask=painted))
    assert np.array_equal(pixels(almost.edited_image)[:31], pixels(free.edited_image)[:31])
    painted.paste(0, (0, 0, 48, 32))
    painted.paste(255, (5, 9, 30, 22))
    both = editor.edit(
        edit(width=48, height=32, mask=painted, local_blend=LocalBlend(edited=("dog",), threshold=0.8))
    )
    same = (pixels(both.edited_image) == pixels(both.original_image)).all(2)
    assert same[~inside].all()


def test_the_request_comes_back_with_its_seed_and_cost(editor):
    result = editor.edit(edit(seed=None))
    again = editor.edit(result.edit)
    assert result.edit.seed == result.seed and result.num_unet_rows == 16
    assert np.array_equal(pixels(result.edited_image), pixels(again.edited_image))
    native = editor.model.native_size
    assert result.edited_image.size == (native, native)
    assert PromptEdit.from_json(result.edit.to_json()) == result.edit


def test_steps_are_watched_and_previewed(editor):
    stream = editor.stream(edit())
    step = next(stream)
    assert (step.index, step.num_steps, step.latents.shape[0]) == (0, 4, 2)
    assert step.preview().mode == "RGB"
    assert run_to_end(stream).edited_image.mode == "RGB"


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (
            {"word_weights": {"cow": 2}},
            AlignmentError,
            "word_weights: “cow” .* its words are a, dog, on, bench",
        ),
        ({"cross_replace_steps": {"cat": 0.5}}, AlignmentError, "cross_replace_steps: “cat”"),
        ({"local_blend": LocalBlend(original=("dog",))}, AlignmentError, "local_blend.original: “dog”"),
        ({"local_blend": LocalBlend(edited=("cat",))}, AlignmentError, "local_blend.edited: “cat”"),
        (
            {"operation": "replace", **LONGER},
            AlignmentError,
            r"operation: .* 5 words \(a, cat, on, a, bench\) .* 9 words \(a, red, .* “refine”",
        ),
        ({"edited_prompt": "dog " * 90}, AlignmentError, "edited_prompt: .* would be cut off"),
        ({"width": 30}, InvalidEdit, "width: 30 .* give 28 or 32"),
        ({"mask": Image.new("L", (20, 20), 255)}, InvalidEdit, "mask: is 20×20"),
        ({"mask": Image.new("L", (32, 32), 255)}, InvalidEdit, "mask: is white all over"),
        ({"mask": Image.new("L", (32, 32), 0)}, InvalidEdit, "mask: is black all over"),
        ({"num_inference_steps": 1001}, InvalidEdit, "num_inference_steps"),
    ],
)
def test_wrong_requests_are_one_sentence(editor, options, error, says):
    with pytest.raises(error, match=says):
        editor.edit(edit(**options))


def test_weights_need_a_recipe_that_looks_at_words():
    with pytest.raises(InvalidEdit, match="word_weights"):
        edit(recipe="instruct_pix2pix", word_weights={"dog": 2})


def test_a_model_that_needs_a_picture_is_refused():
    with pytest.raises(IncompatibleModel):
        PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="edit"))
