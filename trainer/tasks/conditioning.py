"""Conditioning dropout: how the edit model learns to guess without its text, its picture, or both.

Reference: Brooks et al. (2023, arXiv 2211.09800), §3.2.1, and the draw of their code: one uniform number u
per sample, text is dropped where u < 2p and the picture where p ≤ u < 3p, so that three disjoint events of
probability p arise: text alone [0, p), both [p, 2p), picture alone [2p, 3p).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Kept(NamedTuple):
    """Masks of samples that keep their conditions, bool (B,) each."""

    text: Tensor
    picture: Tensor


def conditioning_dropout(u: Tensor, p: float) -> Kept:
    """Decide what each sample keeps.

    Args:
        u: Uniform in [0, 1), (B,).
        p: Probability of each of the three events, from 0 to 1/3.
    """
    return Kept(text=u >= 2 * p, picture=(u < p) | (u >= 3 * p))
