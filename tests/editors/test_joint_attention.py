"""Attention to words and picture in one: nothing without a control, with one what whole maps give."""

import itertools
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import FusedJointAttnProcessor2_0, JointAttnProcessor2_0
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor, FluxIPAdapterAttnProcessor
from torch.nn.functional import scaled_dot_product_attention

from editors.errors import IncompatibleModel
from editors.model.attention import AttentionSite, JointTokens
from editors.model.joint_attention import ControlledFluxAttnProcessor, ControlledJointAttnProcessor, install
from editors.prompt_to_prompt.controls import (
    EditControl,
    InjectSelf,
    Observation,
    RowControl,
    StepMix,
)
from editors.prompt_to_prompt.joint import attend_jointly, word_shares
from editors.prompt_to_prompt.looks import Look
from tests import tiny_flux, tiny_sd3

ROWS, SIDE, WORDS = 2, 6, 10
HEADS, WIDTH, PLACES = 3, 5, 7
ORDERS = {
    "words first": JointTokens(slice(0, WORDS), slice(WORDS, None)),
    "picture first": JointTokens(slice(PLACES, None), slice(0, PLACES)),
}


class Spy:
    """A control that attends plainly and notes where and when it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def attend(
        self, query: Any, key: Any, value: Any, mask: Any, *, site: Any, step: int, joint: Any = None
    ) -> Any:
        self.asked.append((site, step, joint, query.shape))
        return scaled_dot_product_attention(query, key, value, attn_mask=mask)


@pytest.fixture(scope="module", params=["sd3", "flux"])
def transformer(request: pytest.FixtureRequest) -> Any:
    return (tiny_sd3 if request.param == "sd3" else tiny_flux).pipeline().transformer


@torch.no_grad()
def run(transformer: Any, **steered: Any) -> torch.Tensor:
    """Call a transformer with what a control would come in."""
    given = torch.Generator().manual_seed(0)
    pooled = transformer.config.pooled_projection_dim
    told: dict[str, Any] = {
        "timestep": torch.full((ROWS,), 0.5),
        "encoder_hidden_states": torch.randn(
            ROWS, WORDS, transformer.config.joint_attention_dim, generator=given
        ),
        "pooled_projections": torch.randn(ROWS, pooled, generator=given),
        "joint_attention_kwargs": steered or None,
    }
    if "axes_dims_rope" in transformer.config:
        places = torch.cartesian_prod(torch.tensor([0]), torch.arange(SIDE), torch.arange(SIDE)).float()
        told |= {
            "hidden_states": torch.randn(ROWS, SIDE**2, 16, generator=given),
            "img_ids": places,
            "txt_ids": torch.zeros(WORDS, 3),
            "guidance": torch.full((ROWS,), 3.5),
        }
        if steered:
            told["joint_attention_kwargs"]["num_words"] = WORDS
    else:
        told["hidden_states"] = torch.randn(ROWS, 4, 2 * SIDE, 2 * SIDE, generator=given)
    return transformer(**told, return_dict=False)[0]


def stock(transformer: Any) -> None:
    """Give a transformer the processors of diffusers again."""
    is_flux = "axes_dims_rope" in transformer.config
    transformer.set_attn_processor(FluxAttnProcessor() if is_flux else JointAttnProcessor2_0())


def test_without_a_control_the_bits_are_those_of_diffusers(transformer: Any) -> None:
    stock(transformer)
    expected = run(transformer)
    install(transformer, patch=2)
    assert torch.equal(run(transformer), expected)
    for control in (None, Spy(), EditControl(rows=())):
        assert torch.equal(run(transformer, control=control, step=3), expected)


def test_every_site_is_asked_with_its_place_and_the_step(transformer: Any) -> None:
    sites = install(transformer, patch=2)
    spy = Spy()
    run(transformer, control=spy, step=7)
    assert [site for site, *_ in spy.asked] == list(sites)
    assert len(sites) == len(transformer.attn_processors)
    for site, step, joint, shape in spy.asked:
        tokens = range(shape[2])
        rows, columns = site.grid(2 * SIDE, 2 * SIDE)
        assert step == 7 and rows * columns == SIDE**2
        assert site.is_joint == site.is_cross == (not site.name.endswith("attn2")) and site.is_self
        if joint is None:
            assert len(tokens) == SIDE**2
        else:
            assert len(tokens[joint.words]) == WORDS and len(tokens[joint.picture]) == SIDE**2
            assert sorted([*tokens[joint.words], *tokens[joint.picture]]) == list(tokens)


def test_installing_twice_changes_nothing(transformer: Any) -> None:
    sites = install(transformer, patch=2)
    before = dict(transformer.attn_processors)
    assert install(transformer, patch=2) == sites
    assert all(transformer.attn_processors[name] is processor for name, processor in before.items())


def test_attention_that_cannot_be_steered_is_refused_and_left_alone() -> None:
    fused = tiny_sd3.pipeline().transformer
    fused.fuse_qkv_projections()
    adapted = tiny_flux.pipeline().transformer
    adapted.transformer_blocks[0].attn.set_processor(FluxIPAdapterAttnProcessor(32, 32))
    whole = tiny_flux.pipeline().transformer
    whole.fuse_qkv_projections()
    for transformer, says in (
        (fused, FusedJointAttnProcessor2_0.__name__),
        (adapted, "IPAdapter"),
        (whole, "fused"),
    ):
        with pytest.raises(IncompatibleModel, match=says):
            install(transformer, patch=2)
        ours = (ControlledFluxAttnProcessor, ControlledJointAttnProcessor)
        assert not any(isinstance(each, ours) for each in transformer.attn_processors.values())


def rows(seed: int) -> tuple[Look, torch.Tensor]:
    """Draw queries, keys and values of one row, in double precision."""
    given = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(HEADS, WORDS + PLACES, WIDTH, generator=given, dtype=torch.float64) for _ in range(3)
    )
    return Look(2 * query, key), value


def drawn_mix(own: bool) -> StepMix:
    given = torch.Generator().manual_seed(9)
    source = torch.rand(WORDS, WORDS, generator=given, dtype=torch.float64)
    return StepMix(
        source=source, own=torch.rand(WORDS, dtype=torch.float64, generator=given) if own else None
    )


def softmax_map(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    return (query @ key.transpose(1, 2) / WIDTH**0.5).softmax(-1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mixed", ["no mix", "replaced", "refined"])
@pytest.mark.parametrize("injects", [True, False])
def test_an_edit_is_that_of_whole_maps(order: str, mixed: str, injects: bool) -> None:
    words, picture = tokens = ORDERS[order]
    (own, value), (theirs, _) = rows(1), rows(2)
    mix = None if mixed == "no mix" else drawn_mix(mixed == "refined")
    beside = own.key.clone()
    queries = own.query.clone()
    if injects:
        beside[:, picture] = theirs.key[:, picture]
        queries[:, picture] = theirs.query[:, picture]
    expected = softmax_map(queries if mix is None else own.query, beside) @ value
    if mix is not None:
        p_o, p_e = (
            softmax_map(theirs.query, theirs.key)[:, picture],
            softmax_map(own.query, own.key)[:, picture],
        )
        to_words = p_o[..., words] @ mix.source
        if mix.own is not None:
            to_words = to_words + p_e[..., words] * mix.own
        seen = p_o[..., picture]
        if not injects:
            among = softmax_map(own.query[:, picture], own.key[:, picture])
            seen = among * p_o[..., picture].sum(-1, keepdim=True)
        expected[:, picture] = to_words @ value[:, words] + seen @ value[:, picture]
    found = attend_jointly(own, theirs, value, tokens, mix=mix, injects=injects)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("injects", [True, False])
@pytest.mark.parametrize("mixed", [True, False])
def test_of_its_own_original_a_row_takes_what_it_has(order: str, injects: bool, mixed: bool) -> None:
    own, value = rows(1)
    mix = StepMix(source=torch.eye(WORDS, dtype=torch.float64), own=None) if mixed else None
    found = attend_jointly(own, own, value, ORDERS[order], mix=mix, injects=injects)
    torch.testing.assert_close(found, own.at(value), rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("injects", [True, False])
def test_rows_of_a_swap_still_share_one_whole_between_words_and_picture(order: str, injects: bool) -> None:
    (own, value), (theirs, _) = rows(1), rows(2)
    mapper = torch.rand(WORDS, WORDS, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    mix = StepMix(source=mapper / mapper.sum(1, keepdim=True), own=None)
    found = attend_jointly(own, theirs, torch.ones_like(value), ORDERS[order], mix=mix, injects=injects)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("injects", "mixed"), list(itertools.product([True, False], ["none", "own", "source"]))
)
def test_shares_of_words_are_columns_of_the_edited_map(injects: bool, mixed: str) -> None:
    """Of more words than a head has channels, too."""
    tokens = ORDERS["words first"]
    (own, value), (theirs, _) = rows(1), rows(2)
    mix = None if mixed == "none" else drawn_mix(mixed == "own")
    every = torch.eye(WORDS, dtype=torch.float64).expand(HEADS, -1, -1)
    found = word_shares(own, theirs, every, tokens, mix=mix, injects=injects)
    assert found.shape == (HEADS, PLACES, WORDS) and WORDS > WIDTH
    dark = value.clone()
    dark[:, tokens.picture] = 0
    expected = attend_jointly(own, theirs, dark, tokens, mix=mix, injects=injects)[:, tokens.picture]
    torch.testing.assert_close(found @ value[:, tokens.words], expected, rtol=0, atol=1e-12)


class Seen:
    """An observer of all words."""

    def __init__(self) -> None:
        self.found: torch.Tensor | None = None

    def wants(self, site: AttentionSite) -> bool:
        return site.is_cross

    def indicator(self, key: torch.Tensor) -> torch.Tensor:
        return torch.eye(key.shape[2]).to(key).expand(*key.shape[:2], -1, -1)

    def add(self, attended: torch.Tensor, site: AttentionSite) -> None:
        self.found = attended

    def state(self) -> tuple[torch.Tensor, ...]:
        return ()

    def restore(self, state: tuple[torch.Tensor, ...]) -> None:
        pass


def test_only_the_edited_row_changes_and_the_observer_sees_both() -> None:
    tokens = ORDERS["picture first"]
    (own, value), (theirs, other) = rows(1), rows(2)
    query, key, values = (
        torch.stack(pair) for pair in ((theirs.query, own.query), (theirs.key, own.key), (other, value))
    )
    site = AttentionSite(name="one", is_cross=True, is_joint=True, level=1)
    mix, seen = drawn_mix(True), Seen()
    row = RowControl(
        original=0, edited=1, cross=[None, mix], inject=InjectSelf(steps=range(2, 3), finest_level=1)
    )
    control = EditControl(rows=(row,), observations=(Observation(original=0, edited=1, observer=seen),))
    for step, acting in ((0, None), (1, mix), (2, None)):
        found = control.attend(query, key, values, None, site=site, step=step, joint=tokens)
        plain = Look(query, key).at(values)
        assert torch.equal(found[0], plain[0])
        assert torch.equal(found[1], plain[1]) == (step == 0)
        injects = step == 2
        expected = attend_jointly(own, theirs, value, tokens, mix=acting, injects=injects)
        torch.testing.assert_close(found[1], expected, rtol=0, atol=1e-12)
        every = torch.eye(WORDS, dtype=torch.float64).expand(HEADS, -1, -1)
        shares = [
            word_shares(theirs, theirs, every, tokens, mix=None, injects=False),
            word_shares(own, theirs, every, tokens, mix=acting, injects=injects),
        ]
        torch.testing.assert_close(seen.found, torch.stack(shares), rtol=0, atol=1e-12)
