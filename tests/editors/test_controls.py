"""Controls against the authors' maps, in exactly their windows, rows and layers."""

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from editors.errors import AlignmentError
from editors.model.attention import ControlledAttnProcessor, install
from editors.model.tokens import TokenizedPrompt
from editors.prompt_to_prompt.alignment import equalizer, refinement_mapper, replacement_mapper
from editors.prompt_to_prompt.controls import (
    EditControl,
    InjectSelf,
    Refine,
    Replace,
    Reweight,
    RowControl,
    compose,
    schedule,
)
from editors.prompt_to_prompt.windows import window_alphas, window_steps
from tests import tiny
from tests.editors.attention_reference import ExplicitAttention, OfficialEdit

STEPS = 5
CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


@pytest.fixture(scope="module")
def model():
    parts = tiny.components(kind="base")
    with torch.no_grad():  # so that the text matters
        for name, parameter in parts["unet"].named_parameters():
            if "attn2" in name:
                parameter.mul_(3)
    return parts


@torch.no_grad()
def states(model, *prompts):
    """Encode each prompt by itself: in a batch, its place there may change its last bits."""
    tokenizer, encoder = model["tokenizer"], model["text_encoder"]
    ids = [tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids for prompt in prompts]
    return torch.cat([encoder(each)[0] for each in ids])


@torch.no_grad()
def denoise(model, prompts, controls):
    """A plain guided DDIM loop over rows [uncond..., cond...]; `controls(step)` gives the call's kwargs."""
    latents = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0)).expand(
        len(prompts), -1, -1, -1
    )
    text = states(model, *[""] * len(prompts), *prompts)
    scheduler = model["scheduler"]
    scheduler.set_timesteps(STEPS)
    for step, timestep in enumerate(scheduler.timesteps):
        kwargs = controls(step)
        both = torch.cat((latents, latents))
        noise = model["unet"](
            both, timestep, encoder_hidden_states=text, cross_attention_kwargs=kwargs
        ).sample
        uncond, cond = noise.chunk(2)
        latents = scheduler.step(uncond + 7.5 * (cond - uncond), timestep, latents).prev_sample
    return latents


def controlled(model, prompts, *rows):
    install(model["unet"])
    control = EditControl(rows=rows)
    return denoise(model, prompts, lambda step: {"control": control, "step": step})


def official(model, prompts, edit):
    unet = model["unet"]
    unet.set_attn_processor(
        {name: ExplicitAttention(name.removesuffix(".processor"), edit) for name in unet.attn_processors}
    )

    def at(step):
        edit.step = step

    expected = denoise(model, prompts, at)
    unet.set_attn_processor(AttnProcessor2_0())
    return expected


def prompts_of(model, *texts):
    return [TokenizedPrompt.of(text, model["tokenizer"]) for text in texts]


SWAP = ("a cat sitting on a bench", "a dog sitting on a bench")
REFINED = ("a cat on a bench", "a red cat on a bench in the snow")


@pytest.mark.parametrize(
    "case", ["replace", "refine", "reweight", "refine, reweight", "per word", "self, no finest", "self, all"]
)
def test_the_result_is_that_of_the_authors_maps(model, case):
    texts = (
        SWAP
        if case in ("replace", "per word", "self, all")
        else (REFINED[1],) * 2
        if case == "reweight"
        else REFINED
    )
    original, edited = prompts_of(model, *texts)
    weights = {"snow": 3.0, "red": -1.0} if "reweight" in case else {}
    windows: Any = {"default": 1.0, "dog": (0.2, 0.6)} if case == "per word" else 0.6
    alphas = window_alphas(windows, edited, STEPS)
    controls: list[Any]
    theirs: dict[str, Any]
    factors: Any = equalizer(edited, weights) if weights else None
    if texts == SWAP:
        mapper = replacement_mapper(original, edited)
        controls, theirs = [Replace(mapper)], {"mapper": mapper}
    else:
        mapper = refinement_mapper(original, edited)
        controls = [Refine(mapper)]
        theirs = {"mapper": mapper.argmax(0), "alphas": mapper.sum(0)}
    if weights:
        controls.append(Reweight(factors))
    limit = {"self, no finest": 24, "self, all": 96}.get(case, 0)
    edit = OfficialEdit(**theirs, equalizer=factors, cross=alphas, self_steps=(1, 4), limit=limit)
    expected = official(model, texts, edit)
    mix = schedule(compose(controls, edited.num_tokens), alphas, **CPU)
    inject = InjectSelf(steps=range(1, 4), finest_level=0 if limit == 96 else 1) if limit else None
    got = controlled(model, texts, RowControl(original=2, edited=3, cross=mix, inject=inject))
    plain = controlled(model, texts)
    assert (expected[1] - plain[1]).abs().max() > 1e-2  # the edit does something
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * expected.std().item())


def swap_row(
    model, texts=SWAP, *, windows=1.0, self_steps=range(STEPS), finest_level=0, weights=None, rows=(2, 3)
):
    original, edited = prompts_of(model, *texts)
    controls: list[Any] = [
        Replace(replacement_mapper(original, edited)),
        Reweight(equalizer(edited, weights or {})),
    ]
    mix = schedule(compose(controls, edited.num_tokens), window_alphas(windows, edited, STEPS), **CPU)
    inject = InjectSelf(steps=self_steps, finest_level=finest_level)
    return RowControl(original=rows[0], edited=rows[1], cross=mix, inject=inject)


@pytest.mark.parametrize("windows", [0.0, 0.5, 1, {"cat": 0.3, "default": 0.7}, {"cat": (0.5, 1.0)}])
@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_the_same_prompt_twice_gives_the_same_bits(model, windows, fraction):
    texts = (SWAP[0],) * 2
    row = swap_row(model, texts, windows=windows, self_steps=window_steps(fraction, STEPS), finest_level=1)
    original, edited = controlled(model, texts, row)
    assert torch.equal(original, edited)


def test_the_original_row_is_untouched_by_any_edit(model):
    plain = controlled(model, SWAP)
    for options in ({}, {"windows": {"dog": 0.3}}, {"weights": {"bench": 5.0}}, {"finest_level": 1}):
        edited = controlled(model, SWAP, swap_row(model, **options))
        assert torch.equal(edited[0], plain[0])
        assert not torch.equal(edited[1], plain[1])


def test_zero_windows_are_plain_generation(model):
    row = swap_row(model, windows=0, self_steps=range(0), weights={"bench": 5.0})
    assert all(mix is None for mix in row.cross)
    assert torch.equal(controlled(model, SWAP, row), controlled(model, SWAP))


def test_weights_of_one_change_nothing_and_others_do(model):
    neutral = controlled(model, SWAP, swap_row(model, weights={"bench": 1.0, "dog": 1}))
    assert torch.equal(neutral, controlled(model, SWAP, swap_row(model)))
    for weight in (0.0, 0.5, 5.0, -2.0):
        changed = controlled(model, SWAP, swap_row(model, weights={"bench": weight}))
        assert changed.isfinite().all() and not torch.equal(changed[1], neutral[1])


def test_edits_in_one_batch_are_each_alone(model):
    """Rows [u_o, u_1, u_2, u_3, c_o, c_1, c_2, c_3]: three edits of one original."""
    others = ["a bird sitting on a bench", "a chinchilla sitting on a bench", "a cat sitting on a car"]
    texts = [SWAP[0], *others]
    rows = [swap_row(model, (SWAP[0], text), rows=(4, 5 + n)) for n, text in enumerate(others)]
    together = controlled(model, texts, *rows)
    for n, text in enumerate(others):
        alone = controlled(model, (SWAP[0], text), swap_row(model, (SWAP[0], text)))
        torch.testing.assert_close(together[1 + n], alone[1], rtol=0, atol=1e-4)
    without_first = controlled(model, texts, *rows[1:])
    assert torch.equal(without_first[2:], together[2:])
    assert not torch.equal(without_first[1], together[1])


class Watch:
    """Notes, per site and step, which rows attend otherwise than they would by themselves."""

    def __init__(self, *rows):
        self.control, self.changed, self.plain = EditControl(rows=rows), {}, EditControl(rows=())

    def attend(self, query, key, value, mask, *, site, step):
        got = self.control.attend(query, key, value, mask, site=site, step=step)
        plain = self.plain.attend(query, key, value, mask, site=site, step=step)
        rows = {row for row in range(len(got)) if not torch.equal(got[row], plain[row])}
        self.changed.setdefault((site.is_cross, site.level), {}).setdefault(step, set()).update(rows)
        return got

    def steps(self, *, is_cross, level, row):
        return [step for step, rows in sorted(self.changed[is_cross, level].items()) if row in rows]


@pytest.mark.parametrize("fraction", [0, 0.25, 0.8, 1, (0.2, 0.6), (0.5, 0.5)])
@pytest.mark.parametrize("finest_level", [0, 1])
def test_injection_is_in_exactly_the_asked_steps_layers_and_half(model, fraction, finest_level):
    install(model["unet"])
    inside = window_steps(fraction, STEPS)
    # Different noise per row, so that any copied map shows.
    watch = Watch(swap_row(model, windows=fraction, self_steps=inside, finest_level=finest_level))
    text = states(model, "", "", *SWAP)
    latents = torch.randn(4, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    for step in range(STEPS):
        kwargs = {"control": watch, "step": step}
        with torch.no_grad():
            model["unet"](latents, 500, encoder_hidden_states=text, cross_attention_kwargs=kwargs)
    for level in (0, 1):
        assert watch.steps(is_cross=True, level=level, row=3) == list(inside)
        assert watch.steps(is_cross=False, level=level, row=3) == (
            list(inside) if level >= finest_level else []
        )
        for is_cross in (True, False):
            assert all(watch.steps(is_cross=is_cross, level=level, row=row) == [] for row in (0, 1, 2))


def test_both_halves_take_self_attention_when_asked(model):
    install(model["unet"])
    inject = InjectSelf(steps=range(1, 3), finest_level=0)
    watch = Watch(*(RowControl(original=n, edited=n + 1, inject=inject) for n in (0, 2)))
    latents = torch.randn(4, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    for step in range(STEPS):
        kwargs = {"control": watch, "step": step}
        with torch.no_grad():
            model["unet"](
                latents,
                500,
                encoder_hidden_states=states(model, "", "", *SWAP),
                cross_attention_kwargs=kwargs,
            )
    for level in (0, 1):
        assert watch.steps(is_cross=False, level=level, row=1) == [1, 2]
        assert watch.steps(is_cross=False, level=level, row=3) == [1, 2]
        assert watch.steps(is_cross=True, level=level, row=3) == []


@pytest.mark.parametrize(
    ("window", "num_steps", "inside"),
    [
        (0, 4, []),
        (0.0, 4, []),
        (1, 4, [0, 1, 2, 3]),
        (1.0, 4, [0, 1, 2, 3]),
        (0.8, 4, [0, 1, 2]),
        (0.25, 4, [0]),
        ((0.25, 0.75), 4, [1, 2]),
        ((0, 1), 3, [0, 1, 2]),
        (0.29, 100, list(range(29))),
        ((0.3, 0.3), 10, []),
    ],
)
def test_windows_are_fractions_of_the_steps(window, num_steps, inside):
    assert list(window_steps(window, num_steps)) == inside


def test_per_word_windows_act_on_that_words_tokens_only(model):
    (prompt,) = prompts_of(model, "a chinchilla on a bench")
    alphas = window_alphas({"default": 0.8, "chinchilla": (0.2, 0.4), "bench": 1}, prompt, 10)
    animal, bench = (list(prompt.find(word, field="")) for word in ("chinchilla", "bench"))
    assert alphas[:, animal].sum(1).tolist() == [0, 0, *[len(animal)] * 2, *[0] * 6]
    assert (alphas[:, bench] == 1).all()
    rest = [token for token in range(prompt.num_tokens) if token not in (*animal, *bench)]
    assert alphas[:, rest].sum(0).tolist() == [8.0] * len(rest)
    assert torch.equal(window_alphas({"bench": 0.5}, prompt, 10)[:, 0], torch.ones(10))
    with pytest.raises(AlignmentError, match="cross_replace_steps: “cow”"):
        window_alphas({"cow": 0.5}, prompt, 10)


def test_no_map_is_ever_built(model, monkeypatch):
    calls = []
    for owner, name in ((torch, "softmax"), (torch.Tensor, "softmax"), (torch.nn.functional, "softmax")):
        monkeypatch.setattr(owner, name, lambda *a, **k: calls.append(1))
    controlled(model, SWAP, swap_row(model, windows={"dog": 0.4}))
    assert calls == []


def test_masked_attention_is_edited_under_its_masks(model):
    """Padding that is masked out stays so for original, edited and mixed rows."""
    install(model["unet"])
    row = swap_row(model, windows={"dog": 0.4})
    keep = (torch.arange(77) < 8).expand(4, -1)
    text = states(model, "", "", *SWAP)
    other = text.clone()
    other[:, 8:] = 9.0
    latents = torch.randn(4, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    for step in (0, 4):
        kwargs = {"control": EditControl(rows=(row,)), "step": step}
        with torch.no_grad():
            ours, theirs = (
                model["unet"](
                    latents,
                    500,
                    encoder_hidden_states=each,
                    encoder_attention_mask=keep,
                    cross_attention_kwargs=kwargs,
                ).sample
                for each in (text, other)
            )
        torch.testing.assert_close(ours, theirs)


def test_nothing_of_an_edit_stays_on_the_model(model):
    install(model["unet"])
    before = {name: vars(processor).copy() for name, processor in model["unet"].attn_processors.items()}
    plain = controlled(model, SWAP)
    controlled(model, SWAP, swap_row(model))
    assert {name: vars(processor) for name, processor in model["unet"].attn_processors.items()} == before
    assert all(isinstance(each, ControlledAttnProcessor) for each in model["unet"].attn_processors.values())
    assert torch.equal(controlled(model, SWAP), plain)
