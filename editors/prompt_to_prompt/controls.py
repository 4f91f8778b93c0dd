"""Attention controls: frozen values that compose, and say what an edit takes from its original.

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626); for self-attention in every layer and both halves, Brooks et al., "InstructPix2Pix: Learning to
Follow Image Editing Instructions" (2023, arXiv 2211.09800).

Every Prompt-to-Prompt edit is linear in the attention maps, so each is one `TokenMix`, P = P_o·S +
P_e·diag(w), where P_o and P_e are the original's and the edited row's own maps over the prompt's tokens. Maps
multiply values, so P·V = softmax(Q_o·K_oᵀ)·(S·V) + softmax(Q_e·K_eᵀ)·(w⊙V): the edit moves over to V, and no
map is built.

Laws: the original's row is never touched; the same prompt twice gives the same bits in both rows; outside its
window a control is not there at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypedDict

import torch
from torch import Tensor

from editors.model.attention import AttentionSite, JointTokens
from editors.prompt_to_prompt.joint import attend_jointly, word_shares
from editors.prompt_to_prompt.looks import Look, Recorded, Rows


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenMix:
    """The edited row's cross-attention as a linear function of two maps: P = P_o · source + P_e · diag(own).

    Attributes:
        source: How much of the original's map over its token `i` goes to the edited token `j`, `(K_o, K_e)`.
        own: How much each edited token keeps of its own map, `(K_e,)`.
    """

    source: Tensor
    own: Tensor

    @classmethod
    def plain(cls, num_tokens: int) -> Self:
        """Return the mix that changes nothing."""
        return cls(source=torch.zeros(num_tokens, num_tokens), own=torch.ones(num_tokens))

    def within(self, alpha: Tensor) -> Self:
        """Return this mix for a share `alpha` in [0, 1] of each edited token, `(K_e,)`, else the own map."""
        return type(self)(source=self.source * alpha, own=self.own * alpha + (1 - alpha))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepMix:
    """A token mix as one step needs it: beside the values, and knowing what it leaves out.

    Attributes:
        source: As in `TokenMix`, on the values' device and in their dtype.
        own: As in `TokenMix`; None where nothing is left of the edited row's own maps, which then are never
            computed.
    """

    source: Tensor
    own: Tensor | None


class CrossControl(Protocol):
    """One Prompt-to-Prompt operation on a token mix; `compose` applies several, in order."""

    def __call__(self, mix: TokenMix) -> TokenMix:
        """Return the mix after this operation."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Replace:
    """Word swap: the edited tokens take the original's maps ("Word Swap" in the paper).

    Attributes:
        mapper: From original to edited tokens, `(K_o, K_e)`; rows sum to 1, so attention still does.
    """

    mapper: Tensor

    def __call__(self, mix: TokenMix) -> TokenMix:
        """Return the original's maps, whatever the mix was."""
        return TokenMix(source=self.mapper, own=torch.zeros_like(mix.own))


@dataclass(frozen=True, slots=True, eq=False)
class Refine:
    """Prompt refinement: tokens in both prompts take the original's maps, new ones keep their own.

    Attributes:
        mapper: From original to edited tokens, `(K_o, K_e)`, one 1 in the column of every shared token; the
            columns of new tokens are zero.
    """

    mapper: Tensor

    def __call__(self, mix: TokenMix) -> TokenMix:
        """Return the original's maps of shared tokens, and the mix's own part of new ones."""
        is_shared = self.mapper.sum(0)  # (K_e,) of 0 and 1
        return TokenMix(source=self.mapper, own=mix.own * (1 - is_shared))


@dataclass(frozen=True, slots=True, eq=False)
class Reweight:
    """Attention re-weighting: scale how much each edited token is attended to; rows are not normalised again.

    Attributes:
        equalizer: A factor per edited token, `(K_e,)`; 1 changes nothing, negative values are allowed.
    """

    equalizer: Tensor

    def __call__(self, mix: TokenMix) -> TokenMix:
        """Return the mix with every token's column scaled."""
        return TokenMix(source=mix.source * self.equalizer, own=mix.own * self.equalizer)


def compose(controls: Iterable[CrossControl], num_tokens: int) -> TokenMix:
    """Apply controls in order to the plain mix of `num_tokens` tokens."""
    mix = TokenMix.plain(num_tokens)
    for control in controls:
        mix = control(mix)
    return mix


def schedule(
    mix: TokenMix, alphas: Tensor, *, device: torch.device, dtype: torch.dtype
) -> tuple[StepMix | None, ...]:
    """Spread a mix over the steps.

    Args:
        mix: What holds inside the windows.
        alphas: For each step and edited token 1 inside its window and 0 outside, `(num_steps, K_e)`.
        device: Where the values will be.
        dtype: The values' dtype.

    Returns:
        Per step the mix that holds there, or None where the edited row is on its own.
    """
    steps: list[StepMix | None] = []
    for index, alpha in enumerate(alphas):
        if index and torch.equal(alpha, alphas[index - 1]):
            steps.append(steps[-1])  # windows change seldom: the steps between share one value
            continue
        now = mix.within(alpha)
        if not now.source.any() and bool((now.own == 1).all()):
            steps.append(None)
            continue
        own = now.own.to(device, dtype) if now.own.any() else None
        steps.append(StepMix(source=now.source.to(device, dtype), own=own))
    return tuple(steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class InjectSelf:
    """Self-attention injection: the edited row looks where the original looks, with its own values.

    Attributes:
        steps: The steps in which it holds.
        finest_level: The finest resolution it touches, in halvings of the latents: 1 spares the finest one,
            as the paper does (maps up to 32x32 of 64x64 latents), 0 takes all layers.
    """

    steps: range
    finest_level: int

    def holds(self, site: AttentionSite, step: int) -> bool:
        """Return whether it acts at this site and step."""
        return self.may_hold(site) and step in self.steps

    def may_hold(self, site: AttentionSite) -> bool:
        """Return whether it acts at this site, at some step."""
        return site.is_self and site.level >= self.finest_level


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowControl:
    """A control of one row of the batch by another.

    Attributes:
        original: The row that gives; it is never changed.
        edited: The row that takes.
        cross: Per step the mix of cross-attention maps, or None; empty for none at all.
        inject: The self-attention that is taken over, or None.
        layers: Depths of the sites where it acts, from the first up to, and without, the second.
    """

    original: int
    edited: int
    cross: Sequence[StepMix | None] = ()
    inject: InjectSelf | None = None
    layers: tuple[float, float] = (0, 1)

    def mix(self, site: AttentionSite, step: int) -> StepMix | None:
        """Return the mix of cross-attention at this site and step, if any."""
        is_there = site.is_cross and site.is_within(self.layers) and step < len(self.cross)
        return self.cross[step] if is_there else None

    def injects(self, site: AttentionSite, step: int) -> bool:
        """Return whether self-attention is taken over at this site and step."""
        return self.inject is not None and site.is_within(self.layers) and self.inject.holds(site, step)


class AttentionObserver(Protocol):
    """Something that wants to know where given tokens are attended to, such as local blend."""

    def wants(self, site: AttentionSite) -> bool:
        """Return whether this site is of interest."""
        ...

    def indicator(self, key: Tensor) -> Tensor:
        """Return 1 at each row's tokens of interest, as values `(B, heads, K, N)` beside these keys."""
        ...

    def add(self, attended: Tensor, site: AttentionSite) -> None:
        """Take how much attention the tokens of interest got at one site, `(B, heads, P, N)`."""
        ...

    def state(self) -> tuple[Tensor, ...]:
        """Return what was summed up so far; it never changes under whoever holds it."""
        ...

    def restore(self, state: tuple[Tensor, ...]) -> None:
        """Go on from an earlier state."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observation:
    """An observer and the pair of rows whose attention it sees.

    Attributes:
        original: The row of the original, in the batch or among the recorded ones.
        edited: The row of the edit, in the batch; its attention is told as the edit made it.
        observer: Whom to tell. An edit is linear in the values, so attending to an indicator of the tokens
            gives exactly their share of the map.
    """

    original: int
    edited: int
    observer: AttentionObserver


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditControl:
    """All that edits do to attention: the value that travels in `cross_attention_kwargs`.

    Attributes:
        rows: What each controlled row takes; rows not named attend as ever.
        recorded: Rows to take from that are not in the batch, or None.
        observations: Who is told the edited attention to which words.
    """

    rows: tuple[RowControl, ...]
    recorded: Recorded | None = None
    observations: tuple[Observation, ...] = ()

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        site: AttentionSite,
        step: int,
        joint: JointTokens | None = None,
    ) -> Tensor:
        """Attend with the edits in place; see `editors.model.attention.AttentionControl`."""
        others = {} if self.recorded is None else self.recorded.at(site, step)
        whole = Rows(Look(query, key, mask), others)
        if joint is not None:
            return self._attend_jointly(whole, value, joint, site, step)
        for seen in self.observations:
            if seen.observer.wants(site):
                pair = Rows(whole.take([seen.original, seen.edited]), {})
                rows = [replace(row, original=0, edited=1) for row in self.rows if row.edited == seen.edited]
                shares = seen.observer.indicator(pair.batch.key)
                seen.observer.add(_attend(pair, shares, rows, site, step), site)
        return _attend(whole, value, self.rows, site, step)

    def _attend_jointly(
        self, looks: Rows, value: Tensor, tokens: JointTokens, site: AttentionSite, step: int
    ) -> Tensor:
        acting = {row.edited: row for row in self.rows if row.mix(site, step) or row.injects(site, step)}
        for seen in self.observations:
            if seen.observer.wants(site):
                pair = looks.take([seen.original, seen.edited])
                shown = seen.observer.indicator(pair.key[:, :, tokens.words])
                theirs, own = looks.row(seen.original), looks.row(seen.edited)
                acts = _acts(acting.get(seen.edited), site, step)
                shares = (
                    word_shares(theirs, theirs, shown[0], tokens, mix=None, injects=False),
                    word_shares(own, theirs, shown[1], tokens, **acts),
                )
                seen.observer.add(torch.stack(shares), site)
        if not acting:
            return looks.batch.at(value)
        plain = [row for row in range(len(value)) if row not in acting]
        attended = (
            dict(zip(plain, looks.take(plain).at(torch.stack([value[n] for n in plain])), strict=True))
            if plain
            else {}
        )
        for place, row in acting.items():
            own, theirs = looks.row(place), looks.row(row.original)
            attended[place] = attend_jointly(own, theirs, value[place], tokens, **_acts(row, site, step))
        return torch.stack([attended[row] for row in range(len(value))])


def _attend(
    looks: Rows, value: Tensor, controls: Sequence[RowControl], site: AttentionSite, step: int
) -> Tensor:
    plain = list(range(len(value)))
    taken = list(plain)  # row -> the row whose queries and keys it attends with
    values = list(value)
    partial: list[tuple[RowControl, StepMix, Tensor]] = []
    for row in controls:
        mix = row.mix(site, step)
        if mix is not None and mix.own is not None:
            partial.append((row, mix, mix.own))
        elif mix is not None:
            taken[row.edited] = row.original
            values[row.edited] = mix.source @ value[row.edited]
        elif row.injects(site, step):
            taken[row.edited] = row.original
    # One call of the plain shape: a row that is not edited gets the same bits as without a control.
    attended = looks.batch.at(value) if taken == plain else looks.take(taken).at(torch.stack(values))
    if not partial:
        return attended
    rows = list(attended)
    for row, mix, own in partial:
        # What comes from the original, less what it displaces: equal rows cancel to exactly zero.
        change = torch.stack((mix.source @ value[row.edited], (own - 1)[:, None] * value[row.edited]))
        changed = looks.take([row.original, row.edited]).at(change).sum(0)
        rows[row.edited] = rows[row.edited] + changed
    return torch.stack(rows)


class _Acts(TypedDict):
    mix: StepMix | None
    injects: bool


def _acts(row: RowControl | None, site: AttentionSite, step: int) -> _Acts:
    """Return what a control does at a site and step."""
    if row is None:
        return {"mix": None, "injects": False}
    return {"mix": row.mix(site, step), "injects": row.injects(site, step)}
