"""What an editor remembers saves rows and changes no bit."""

import threading

import numpy as np
import pytest
import torch

from editors.errors import InvalidEdit
from editors.model.text import TextReader
from editors.prompt_to_prompt.cache import Cache
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.requests.edits import INVERSIONS, LocalBlend, PromptEdit
from editors.running import run_to_end
from tests import tiny

N = 5
WORDS = LocalBlend(original=("cat",), edited=("dog",), threshold=0.5, start=0.4)


def pipeline(**options):
    pipe = tiny.pipeline(kind="base", **options)
    with torch.no_grad():  # so that the text matters
        for name, parameter in pipe.unet.named_parameters():
            if "attn2" in name:
                parameter.mul_(3)
    return pipe


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


@pytest.fixture
def editor(pipe):
    return PromptToPromptEditor.from_pipeline(pipe)


def edit(**options):
    told = {"original_prompt": "a cat on a bench", "edited_prompt": "a dog on a bench"}
    return PromptEdit(**{"num_inference_steps": N, "seed": 3, **told, **options})


def outcome(editor, request):
    """All steps' latents, and the result."""
    steps, stream = [], editor.stream(request)
    while True:
        try:
            steps.append(next(stream).latents)
        except StopIteration as end:
            return steps, end.value


def same(ours, theirs):
    (steps, result), (other_steps, other) = ours, theirs
    own = steps[-len(other_steps) :], other_steps[-len(steps) :]  # an inversion's steps are not repeated
    return (
        all(torch.equal(one, two) for one, two in zip(*own, strict=True))
        and np.array_equal(np.asarray(result.edited_image), np.asarray(other.edited_image))
        and np.array_equal(np.asarray(result.original_image), np.asarray(other.original_image))
    )


@pytest.mark.parametrize(
    "second",
    [
        {"edited_prompt": "a red chinchilla on a bench in the snow"},
        {"word_weights": {"bench": 3, "dog": -1}},
        {"cross_replace_steps": {"dog": (0.3, 1), "default": 1}, "self_replace_steps": 1},
        {"local_blend": WORDS},
        {"recipe": "instruct_pix2pix"},
        {"edited_prompt": "a cat on a bench"},
        {"heat_maps": True},
    ],
)
def test_a_second_edit_of_an_original_does_not_draw_it_again(pipe, editor, second):
    first = editor.edit(edit())
    assert first.num_unet_rows == 2 * N + 2 * N
    again = outcome(editor, edit(**second))
    # The other recipe takes more than the first one left.
    extra = 2 * 2 if second.get("recipe") else 0
    assert again[1].num_unet_rows == 2 * N + extra
    assert same(again, outcome(PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0), edit(**second)))


@pytest.mark.parametrize(
    ("before", "after", "first_call"),
    [
        ({"self_replace_steps": 0.8}, {"self_replace_steps": 0.6}, 3),
        ({"self_replace_steps": 0.4}, {"self_replace_steps": 0.8}, 2),
        ({"cross_replace_steps": 1}, {"cross_replace_steps": 0.8}, 4),
        ({"cross_replace_steps": 0.4, "word_weights": {"dog": 2}}, {"word_weights": {"dog": 2}}, 2),
        ({"self_replace_steps": 0.2}, {"self_replace_steps": (0.0, 0.2)}, 5),
        ({}, {"self_replace_steps": 0}, 0),
    ],
)
def test_what_acts_late_goes_on_from_the_first_step_it_can_change(pipe, editor, before, after, first_call):
    editor.edit(edit(**before))
    late = outcome(editor, edit(**after))
    assert late[1].num_unet_rows == 2 * (N - first_call)
    assert same(late, outcome(PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0), edit(**after)))


def test_a_blend_s_threshold_acts_from_its_start(pipe, editor):
    other = LocalBlend(original=("cat",), edited=("dog",), threshold=0.9, start=0.4)
    editor.edit(edit(local_blend=WORDS))
    late = outcome(editor, edit(local_blend=other))
    assert late[1].num_unet_rows == 2 * (N - 2)
    assert same(
        late, outcome(PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0), edit(local_blend=other))
    )


def test_a_late_slider_of_fifty_steps_costs_forty_rows(editor):
    editor.edit(edit(num_inference_steps=50, self_replace_steps=0.8))
    assert editor.edit(edit(num_inference_steps=50, self_replace_steps=0.6)).num_unet_rows == 40


@pytest.mark.parametrize("scheduler", ["pndm", "dpm++2m", "euler-a"])
def test_schedulers_with_a_past_or_noise_of_their_own_go_on_too(scheduler):
    pipe = pipeline(scheduler=scheduler)
    editor = PromptToPromptEditor.from_pipeline(pipe)
    editor.edit(edit(self_replace_steps=0.8))
    late = outcome(editor, edit(self_replace_steps=0.6))
    assert late[1].num_unet_rows < 2 * N
    fresh = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    assert same(late, outcome(fresh, edit(self_replace_steps=0.6)))


@pytest.mark.parametrize("method", INVERSIONS)
def test_a_photo_is_inverted_once(pipe, editor, method):
    told = {"original_image": tiny.photo((61, 83)), "inversion": method}
    first = editor.edit(edit(**told))
    if method == "direct":
        assert first.num_unet_rows <= 4 * N
    request = edit(**told, edited_prompt="a bird on a bench", self_replace_steps=1)
    second = outcome(editor, request)
    assert second[1].num_unet_rows == 2 * N
    assert second[1].reconstruction_psnr == first.reconstruction_psnr
    alone = outcome(PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0), request)
    assert same(second, alone)


def test_a_photo_on_the_shelf_outlives_the_editor_and_answers_to_nothing_else(pipe, tmp_path):
    photo, told = tiny.photo((61, 83)), {"num_inference_steps": 3}

    def rows(**options):
        fresh = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0, trajectories=tmp_path / "shelf")
        return fresh.edit(edit(**{"original_image": photo, **told, **options})).num_unet_rows

    first = rows()
    assert rows() == first - 3 == rows(edited_prompt="a bird on a bench")
    assert rows(original_image=tiny.photo((61, 83), seed=1)) == first
    assert rows(original_prompt="a red cat on a bench") == first
    assert rows(num_inference_steps=4) > first
    with torch.no_grad():
        pipe.unet.conv_out.bias.add_(1e-3)
        assert rows() == first
        pipe.unet.conv_out.bias.sub_(1e-3)
    for file in (tmp_path / "shelf").iterdir():
        file.write_bytes(b"cut short")
    assert rows() == first


@pytest.fixture
def read(monkeypatch):
    """The prompts that the text encoder read."""
    seen: list[str] = []
    original = TextReader.read

    def reading(self, prompts):
        seen.extend(prompts)
        return original(self, prompts)

    monkeypatch.setattr(TextReader, "read", reading)
    return seen


def test_a_prompt_is_read_once(editor, read):
    editor.edit(edit())
    assert sorted(read) == ["", "a cat on a bench", "a dog on a bench"]
    read.clear()
    editor.edit(edit(guidance_scale=3, seed=4))
    editor.edit(edit(edited_prompt="a cat on a bench"))
    assert read == []
    editor.edit(edit(edited_prompt="a bird on a bench"))
    assert read == ["a bird on a bench"]


def test_a_prompt_is_read_again_for_another_size_and_by_other_weights(editor, read):
    before = editor.edit(edit())
    known = set(read)
    read.clear()
    editor.edit(edit(height=2 * editor.model.native_size))
    assert set(read) == known
    read.clear()
    weight = next(editor.model.text_encoder.parameters())
    as_it_was = weight.detach().clone()
    with torch.no_grad():
        weight.copy_(as_it_was.flip(0))  # every token means another
    try:
        changed = editor.edit(edit())
        assert set(read) == known
        fresh = PromptToPromptEditor(editor.model, cache_bytes=0).edit(edit())
        pictures = [np.asarray(result.edited_image) for result in (before, changed, fresh)]
        assert np.array_equal(pictures[1], pictures[2]) and not np.array_equal(pictures[0], pictures[1])
    finally:
        with torch.no_grad():
            weight.copy_(as_it_was)


def test_who_remembers_nothing_still_reads_a_prompt_once_for_all_edits_at_once(pipe, read):
    editor = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    editor.edit_many([edit(edited_prompt=f"a {animal} on a bench") for animal in ("dog", "bird", "dog")])
    assert len(read) == len(set(read)) == 4
    editor.edit(edit())
    assert len(read) == 7


def test_changed_weights_share_nothing_with_before(editor):
    editor.edit(edit())
    with torch.no_grad():
        editor.model.unet.conv_out.bias.add_(1e-3)
    try:
        assert editor.edit(edit()).num_unet_rows == 4 * N
    finally:
        with torch.no_grad():
            editor.model.unet.conv_out.bias.sub_(1e-3)


def test_memory_is_bounded_and_what_does_not_fit_is_computed_again(pipe):
    free = PromptToPromptEditor.from_pipeline(pipe)
    expected = [outcome(free, edit(self_replace_steps=share)) for share in (0.4, 0.6)]
    most = free.memory.nbytes
    assert 0 < most <= free.memory.budget
    for budget in (0, most // 4, most // 2):
        tight = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=budget)
        for share, want in zip((0.4, 0.6), expected, strict=True):
            assert same(outcome(tight, edit(self_replace_steps=share)), want)
        assert tight.memory.nbytes <= budget
    free.memory.clear()
    assert free.memory.nbytes == 0
    with pytest.raises(InvalidEdit, match="cache_bytes: -1"):
        PromptToPromptEditor.from_pipeline(pipe, cache_bytes=-1)


def test_many_edits_of_one_original_leave_it_for_the_next(editor):
    animals = ["dog", "bird", "man"]
    editor.edit_many([edit(edited_prompt=f"a {animal} on a bench") for animal in animals], batch_size=2)
    assert editor.edit(edit(edited_prompt="a tree on a bench")).num_unet_rows == 2 * N


def test_edits_at_once_do_not_meet(pipe, editor):
    requests = [edit(self_replace_steps=share, seed=seed) for share in (0.2, 0.6) for seed in (3, 4)]
    fresh = PromptToPromptEditor.from_pipeline(pipe, cache_bytes=0)
    alone = [outcome(fresh, request) for request in requests]
    streams = [editor.stream(request) for request in requests]
    for stream in streams:
        next(stream)
    streams[0].close()
    for stream in streams[1:]:
        run_to_end(stream)
    found = {}

    def work(n):
        found[n] = outcome(editor, requests[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[n], want) for n, want in enumerate(alone))


def test_no_map_is_built_by_an_edit(editor, monkeypatch):
    calls = []
    for owner, name in ((torch, "softmax"), (torch.Tensor, "softmax"), (torch.nn.functional, "softmax")):
        monkeypatch.setattr(owner, name, lambda *a, **k: calls.append(1))
    editor.edit(edit())
    editor.edit(edit(cross_replace_steps={"dog": 0.4}, self_replace_steps=1))
    assert calls == []


class Sized:
    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_a_cache_drops_what_was_used_longest_ago():
    cache = Cache(10)
    one, two, three = Sized(4), Sized(4), Sized(4)
    cache.put("one", one)
    cache.put("two", two)
    assert cache.get(Sized, "one") is one
    cache.put("three", three)
    assert cache.get(Sized, "two") is None and cache.get(Sized, "one") is one and cache.nbytes == 8
    cache.put("one", Sized(11))
    assert cache.get(Sized, "one") is None and cache.nbytes == 4 and len(cache) == 1
