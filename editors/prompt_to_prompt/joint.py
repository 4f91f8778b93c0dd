"""Prompt-to-Prompt where words and picture attend in one (MMDiT).

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626); Patrick Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"
(2024, arXiv 2403.03206), §4; Joonghyuk Shin et al., "Exploring Multimodal Diffusion Transformers for Enhanced
Prompt-based Image Editing" (2025, arXiv 2508.07519), whose edits take queries and keys of the picture alone.

Every block attends once, so its map has four parts; with queries as rows, W for words and I for the picture,

    P = softmax([Q_W; Q_I]·[K_W; K_I]ᵀ / √D) = [[P_WW, P_WI], [P_IW, P_II]].

What Prompt-to-Prompt calls cross-attention is P_IW, what it calls self-attention is P_II. They share a
softmax, so each row's share of the words, m = P_IW·1, says how much is left for the picture. With _o for the
original's, _e for the edited row's own, S and w as in `controls.TokenMix`, the picture's rows become, where

- both are taken over: P_o·[S·V_W; V_I] + P_e·[w⊙V_W; 0];
- the words' alone is: P_o·[S·V_W; 0] + P_e·[w⊙V_W; 0] + (1 − m_o)·softmax(Q_I·K_Iᵀ / √D)_e·V_I;
- the picture's alone is: softmax(Q_I,o·[K_W,e; K_I,o]ᵀ / √D)·V, the edit of Shin et al.

The words' rows are the edit's own: unlike a prompt's fixed states they carry the picture from block to block,
and so the edit. Where the picture's attention is taken over, they look at the picture as the original shows
itself, [K_W,e; K_I,o].

Laws: each is linear in V, so no map is built; of a row that is the original's the result is the original's,
to rounding.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from editors.model.attention import JointTokens
from editors.prompt_to_prompt.looks import Look


class Mix(Protocol):
    """How an edit mixes maps over words: `controls.StepMix`."""

    @property
    def source(self) -> Tensor:
        """S, `(K_o, K_e)`."""
        ...

    @property
    def own(self) -> Tensor | None:
        """w, `(K_e,)`; None for zeros."""
        ...


def attend_jointly(
    own: Look, original: Look, value: Tensor, tokens: JointTokens, *, mix: Mix | None, injects: bool
) -> Tensor:
    """Attend with an edit in place.

    Args:
        own: Queries and keys of the edited row.
        original: Those of its original.
        value: V of the edited row, `(heads, T, D)`.
        tokens: Where words and picture stand.
        mix: S and w, where attention to words is taken over; else None.
        injects: Whether attention to the picture is taken over.

    Returns:
        `(heads, T, D)`.
    """
    words, picture = tokens
    seen = _placed(own.key, original.key, tokens) if injects else own.key
    if mix is None:
        queries = _placed(own.query, original.query, tokens) if injects else own.query
        return Look(queries, seen).at(value)
    spoken, shown = value[:, words], value[:, picture]
    nothing = torch.zeros_like(shown)
    theirs = Look(original.query[:, picture], original.key)
    found = theirs.at(_joined(mix.source @ spoken, shown if injects else nothing, tokens))
    if mix.own is not None:
        found = found + Look(own.query[:, picture], own.key).at(
            _joined(mix.own[:, None] * spoken, nothing, tokens)
        )
    if not injects:
        share = theirs.at(_joined(torch.ones_like(spoken), nothing, tokens))  # m_o, in every channel
        found = found + (1 - share) * Look(own.query[:, picture], own.key[:, picture]).at(shown)
    return _joined(Look(own.query[:, words], seen).at(value), found, tokens)


def word_shares(
    own: Look, original: Look, shown: Tensor, tokens: JointTokens, *, mix: Mix | None, injects: bool
) -> Tensor:
    """Return how much of some tokens' maps each place of the edited picture gets.

    Args:
        own: As in `attend_jointly`.
        original: As there.
        shown: The tokens of interest, as values of the words, `(heads, K, N)`.
        tokens: As in `attend_jointly`.
        mix: As there.
        injects: As there.

    Returns:
        `(heads, P, N)`.
    """
    # As many columns at once as values have, for which the fast kernels are made.
    columns, width = shown.shape[-1], own.query.shape[-1]
    nothing = shown.new_zeros((len(shown), own.key.shape[1] - shown.shape[1], width))
    found = [
        attend_jointly(
            own,
            original,
            _joined(pad(some, (0, width - some.shape[-1])), nothing, tokens),
            tokens,
            mix=mix,
            injects=injects,
        )[:, tokens.picture]
        for some in shown.split(width, dim=-1)
    ]
    return torch.cat(found, dim=-1)[..., :columns]


def _placed(own: Tensor, original: Tensor, tokens: JointTokens) -> Tensor:
    """Return the edited row's own words beside the original's picture."""
    return _joined(own[:, tokens.words], original[:, tokens.picture], tokens)


def _joined(words: Tensor, picture: Tensor, tokens: JointTokens) -> Tensor:
    """Put words and picture, `(heads, …, D)`, together in their model's order."""
    parts: Sequence[Tensor] = (words, picture) if tokens.words.start == 0 else (picture, words)
    return torch.cat(list(parts), dim=1)
