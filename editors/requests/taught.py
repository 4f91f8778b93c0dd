"""Remarks on edits that came out as nobody meant them: words never taught, next to no change.

A small model does something with every sentence. Law: it is said where a word of the instruction was in none
that the model learnt from, and where the result hardly differs from the picture.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editors.checks import shortened
from editors.requests.words import word_places

HARDLY = 0.025
"""Mean share of the levels by which a result differs that nobody sees at a glance: of seven photographs, what
pocket does well changes 3.5 % and more, what it cannot do at all 0.5 to 2.4 %."""
SIDE = 256
_LISTED = 6
_PLAIN_WORDS = """
a an the this that these those it its them they of in on at by to from with without for and or but so as is
are be i you we me my your our please can could would should will may want like just only more less very too
some any all every there here
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words that ask for nothing by themselves."""


def untaught(prompt: str, taught: Collection[str]) -> tuple[str, ...]:
    """Return the words of an instruction that a model never met, as they were typed.

    Args:
        prompt: The instruction.
        taught: All words that it learnt from, in lower case; empty where nobody says: then none is returned.
    """
    if not taught:
        return ()
    words = dict.fromkeys(prompt[start:end] for start, end in word_places(prompt))
    return tuple(word for word in words if any(map(str.isalpha, word)) and not _is_met(word.lower(), taught))


def _is_met(word: str, taught: Collection[str]) -> bool:
    """Say whether a word was met, in this form or with another of the common endings."""
    bare = word.replace("’", "'").removesuffix("'s")
    forms = {bare, f"{bare}s", *(bare.removesuffix(ending) for ending in ("s", "d", "ed", "ing"))}
    return bare in _PLAIN or not forms.isdisjoint(taught)


def notes_on(prompt: str, taught: Collection[str]) -> tuple[str, ...]:
    """Return what people should know of an instruction or a prompt, a sentence each.

    Args:
        prompt: The text.
        taught: As for `untaught`.
    """
    words = untaught(prompt, taught)
    if not words:
        return ()
    named = ", ".join(f"“{shortened(word)}”" for word in words[:_LISTED])
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return (f"The model was never taught {named}{more}.",)


def known_words(taught: Collection[str]) -> str:
    """Return the sentence that lists what a model was taught, without what asks for nothing by itself."""
    return f"It knows: {', '.join(word for word in sorted(taught) if word not in _PLAIN)}."


def notes_on_change(
    before: Image.Image, after: Image.Image, mask: NDArray[np.uint8] | None, *, has_scales: bool = True
) -> tuple[str, ...]:
    """Return what people should know of a result, a sentence each.

    Args:
        before: The picture.
        after: The result, of its size.
        mask: (H, W), 0 where nothing might change; None: all might.
        has_scales: Whether the model can be told to follow words and picture more or less.
    """
    share = changed_share(before, after, mask)
    if share >= HARDLY:
        return ()
    scales = "follow the words more strongly, keep less of the picture, or " if has_scales else ""
    return (f"Hardly anything changed ({100 * share:.1f} %): {scales}say it in other words.",)


def changed_share(before: Image.Image, after: Image.Image, mask: NDArray[np.uint8] | None) -> float:
    """Return the mean difference of two pictures where the one might change, in [0, 1] of the levels."""
    scale = min(1.0, SIDE / max(before.size))
    size = (max(1, round(before.width * scale)), max(1, round(before.height * scale)))
    levels = [
        np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX), np.float32)
        for picture in (before, after)
    ]
    change = np.abs(levels[0] - levels[1]).mean(axis=-1) / 255  # (h, w)
    if mask is None:
        return float(change.mean())
    share = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BOX), np.float32) / 255
    return float((change * (share > 0)).sum() / max(share.sum(), 1e-6))
