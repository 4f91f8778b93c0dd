"""What an edited picture takes from the original's attention, as frozen values that compose.

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

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from .alignment import TokenizedPrompt
from .attention import AttentionSite, attend
from .edits import StepWindow, WordWindows


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


def window_steps(window: StepWindow, num_steps: int) -> range:
    """Return the steps inside a window: from its start's share of the steps up to, and without, its end's.

    Args:
        window: A fraction `f`, which means (0, f), or a pair of fractions.
        num_steps: How often the UNet is called; PNDM calls it once more than there are inference steps.
    """
    start, end = window if isinstance(window, tuple) else (0, window)
    # 0.29 x 100 is 28.999999999999996: what is whole but for rounding counts as whole.
    return range(math.floor(start * num_steps + 1e-6), math.floor(end * num_steps + 1e-6))


def window_alphas(
    windows: WordWindows, prompt: TokenizedPrompt, num_steps: int, *, field: str = "cross_replace_steps"
) -> Tensor:
    """Return 1 inside each token's window and 0 outside, `(num_steps, K)`.

    Args:
        windows: One window for all tokens, or one per word of the prompt. "default" is for all other tokens,
            the end token and padding among them; without it they are inside at every step, as in the authors'
            code.
        prompt: The edited prompt.
        num_steps: How often the UNet is called.
        field: The field of the request that holds the windows, for errors.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    words = dict(windows) if isinstance(windows, Mapping) else {"default": windows}
    alphas = torch.zeros(num_steps, prompt.num_tokens)
    alphas[list(window_steps(words.pop("default", 1), num_steps))] = 1
    for word, window in words.items():
        tokens = torch.tensor(prompt.find(word, field=field))
        alphas[:, tokens] = 0
        alphas[torch.tensor(window_steps(window, num_steps), dtype=torch.long)[:, None], tokens] = 1
    return alphas


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
        return not site.is_cross and site.level >= self.finest_level and step in self.steps


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowControl:
    """What one row of the batch takes from another.

    Attributes:
        original: The row that gives; it is never changed.
        edited: The row that takes.
        cross: Per step the mix of cross-attention maps, or None; empty for none at all.
        inject: The self-attention that is taken over, or None.
    """

    original: int
    edited: int
    cross: Sequence[StepMix | None] = ()
    inject: InjectSelf | None = None

    def mix(self, site: AttentionSite, step: int) -> StepMix | None:
        """Return the mix of cross-attention at this site and step, if any."""
        return self.cross[step] if site.is_cross and step < len(self.cross) else None

    def injects(self, site: AttentionSite, step: int) -> bool:
        """Return whether self-attention is taken over at this site and step."""
        return self.inject is not None and self.inject.holds(site, step)


class AttentionObserver(Protocol):
    """Something that wants to know where given tokens are attended to, such as local blend."""

    def wants(self, site: AttentionSite) -> bool:
        """Return whether this site is of interest."""
        ...

    def indicator(self, key: Tensor) -> Tensor:
        """Return 1 at each row's tokens of interest, as values `(B, heads, K, 1)` beside these keys."""
        ...

    def add(self, attended: Tensor) -> None:
        """Take how much attention the tokens of interest got at one site, `(B, heads, P, 1)`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditControl:
    """All that an edit does to attention: the value that travels in `cross_attention_kwargs`.

    Attributes:
        rows: What each controlled row takes; rows not named attend as ever.
        observer: Told the edited attention to its tokens, or None. An edit is linear in the values, so
            attending to an indicator of the tokens gives exactly their share of the map.
    """

    rows: tuple[RowControl, ...]
    observer: AttentionObserver | None = None

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        site: AttentionSite,
        step: int,
    ) -> Tensor:
        """Attend with the edit in place; see `editors.attention.AttentionControl`."""
        if self.observer is not None and self.observer.wants(site):
            self.observer.add(self._attend(query, key, self.observer.indicator(key), mask, site, step))
        return self._attend(query, key, value, mask, site, step)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, site: AttentionSite, step: int
    ) -> Tensor:
        plain = list(range(len(query)))
        looks = list(plain)  # row -> the row whose queries and keys it attends with
        values = list(value)
        partial: list[tuple[RowControl, StepMix, Tensor]] = []
        for row in self.rows:
            mix = row.mix(site, step)
            if mix is not None and mix.own is not None:
                partial.append((row, mix, mix.own))
            elif mix is not None:
                looks[row.edited] = row.original
                values[row.edited] = mix.source @ value[row.edited]
            elif row.injects(site, step):
                looks[row.edited] = row.original
        # One call of the plain shape: a row that is not edited gets the same bits as without a control.
        if looks == plain:
            attended = list(attend(query, key, value, mask))
        else:
            taken_mask = None if mask is None else _take(mask, looks)
            attended = list(attend(_take(query, looks), _take(key, looks), torch.stack(values), taken_mask))
        for row, mix, own in partial:
            pair = [row.original, row.edited]
            # What comes from the original, less what it displaces: equal rows cancel to exactly zero.
            change = torch.stack((mix.source @ value[row.edited], (own - 1)[:, None] * value[row.edited]))
            pair_mask = None if mask is None else _take(mask, pair)
            changed = attend(_take(query, pair), _take(key, pair), change, pair_mask).sum(0)
            attended[row.edited] = attended[row.edited] + changed
        return torch.stack(attended)


def _take(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Return these rows, without the copy of an index to the device that `tensor[rows]` makes."""
    return torch.stack([tensor[row] for row in rows])
