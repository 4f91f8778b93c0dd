"""Rules that a writer's answer must pass to become a triplet; each has a name under which it is counted.

The rules are those of InstructPix2Pix: Learning to Follow Image Editing Instructions (Brooks, Holynski,
Efros, 2023, arXiv:2211.09800, section 3.1 and its released code: two parts, and captions that differ beyond
case and the final stop), and those that a general chat model needs besides: one instruction, of words, of a
caption's length, that is no caption itself.

`rejection` asks about the form and goes for every writer. `doubt` asks whether the edit keeps to its caption,
changes it, and says what it changes: a language model may write well-formed nonsense, and small ones do.

Law: both are pure functions of the three texts; what they return is None or exactly one reason.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_CAPTION: Final = 320
"""Letters in a caption: what the 77 tokens of a CLIP text encoder hold."""
MAX_INSTRUCTION: Final = 160
REASONS: Final = (
    "empty",
    "too_long",
    "markup",
    "several_instructions",
    "unchanged",
    "instruction_is_caption",
)
"""Every reason of `rejection`, in the order in which the rules are asked."""

DOUBTS: Final = (
    "same_words",
    "repeats_itself",
    "another_picture",
    "instruction_in_caption",
    "unrelated",
)
"""Every reason of `doubt`, in the order in which the rules are asked."""
LEAST_KEPT: Final = 1 / 3
"""Share of a caption's words that an edit leaves standing."""

_SPACES: Final = re.compile(r"\s+")
_MARKUP: Final = re.compile(r"[{}<>\\|`\x00-\x1f\x7f]|https?:|\w_prompt\b")
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):])\s")
# A stop followed by more words is a second sentence, and a second instruction.
_SECOND_SENTENCE: Final = re.compile(r"[.!?;]\s+\w")


def plain(text: str) -> str:
    """Return a text in one spelling: composed letters, single spaces, none at its ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def same_words(text: str) -> str:
    """Return what two texts share if only case, spaces or the final stop differ: the paper's comparison."""
    return plain(text).strip(".!? ").lower()


def rejection(original_prompt: str, edit_prompt: str, edited_prompt: str) -> str | None:
    """Return why an answer makes no triplet, or None if it makes one.

    Args:
        original_prompt: The caption that was given.
        edit_prompt: The instruction that came back.
        edited_prompt: The caption that came back.
    """
    original, edit, edited = map(same_words, (original_prompt, edit_prompt, edited_prompt))
    if not (original and edit and edited):
        return "empty"
    if len(edit_prompt) > MAX_INSTRUCTION or len(edited_prompt) > MAX_CAPTION:
        return "too_long"
    if _MARKUP.search(edit_prompt.strip()) and "\n" not in edit_prompt.strip():
        return "markup"
    if "\n" in edit_prompt.strip() or _LIST_MARK.match(edit_prompt) or _SECOND_SENTENCE.search(edit_prompt):
        return "several_instructions"
    if _MARKUP.search(edited_prompt.strip()):
        return "markup"
    if edited == original:
        return "unchanged"
    if edit in (original, edited):
        return "instruction_is_caption"
    return None


_FUNCTION_WORDS: Final = frozenset(
    (
        *("a", "an", "the", "of", "in", "on", "at", "by", "with", "and", "or"),
        *("to", "as", "into", "from", "for", "out", "up", "front", "left", "right"),
        *("it", "its", "that", "this", "be", "are", "was", "were", "is", "some"),
        *("his", "her", "their", "him", "them", "he", "she", "they"),
    )
)
_ENDINGS: Final = ("s", "es", "d", "ed", "n", "en", "er", "y", "gy", "ny", "ly", "ing", "ish")
_ORDERS: Final = frozenset(
    (
        *("add", "build", "change", "create", "cut", "draw", "erase"),
        *("exchange", "give", "have", "let", "make", "move"),
        *("paint", "pick", "put", "remove", "replace", "see", "set"),
        *("show", "swap", "take", "throw", "transform", "turn"),
    )
)
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def doubt(original_prompt: str, edit_prompt: str, edited_prompt: str) -> str | None:
    """Return why a well-formed answer is not believed, or None if it is.

    The rules look at words, so captions of fewer than two of them (other scripts write none apart) pass. Of
    edits that are exact they doubt one in twenty: what is said without a word of what changes ("make it dark
    outside", "at night") is lost.

    Args:
        original_prompt: The caption that was given.
        edit_prompt: The instruction that came back.
        edited_prompt: The caption that came back.
    """
    original, edit, edited = (_content(text) for text in (original_prompt, edit_prompt, edited_prompt))
    if len(original) < 2:
        return None
    changed = [word for word in original if not _among(word, edited)]
    kept = len(set(original)) - len(set(changed))
    changed += [word for word in edited if not _among(word, original)]
    # A word more or less of the same kind is a change, too: a second thing turns blue like the first.
    changed += [word for word in edited if original.count(word) != edited.count(word)]
    if not changed:
        return "same_words"
    if _repeats(edited_prompt) and not _repeats(original_prompt):
        return "repeats_itself"
    if kept < LEAST_KEPT * len(set(original)):
        return "another_picture"
    begins = [same_words(text).split()[0] for text in (original_prompt, edit_prompt, edited_prompt)]
    if begins[1] == begins[2] != begins[0] and begins[1] in _ORDERS:
        return "instruction_in_caption"
    return None if any(_among(word, changed) for word in edit) else "unrelated"


def _content(text: str) -> list[str]:
    """Return the words of a text that name something."""
    return [word for word in _WORD.findall(text.lower()) if word not in _FUNCTION_WORDS]


def _among(word: str, others: list[str]) -> bool:
    """Say whether a word is among others, whatever its ending: gold and golden, fog and foggy."""
    return any(_alike(*sorted((word, other), key=len)) for other in others)


def _alike(short: str, long: str) -> bool:
    """Say whether two words are one but for an ending."""
    endings = {short + ending for ending in _ENDINGS} | {short.removesuffix("e") + "ing"}
    return short == long or (len(short) >= 3 and long in endings)


def _repeats(text: str) -> bool:
    """Say whether three words that name something stand in a text twice, one after the other."""
    words = text.lower().split()
    runs = [words[place : place + 3] for place in range(len(words) - 2)]
    telling = [tuple(run) for run in runs if not _FUNCTION_WORDS.issuperset(run)]
    return len(set(telling)) < len(telling)
