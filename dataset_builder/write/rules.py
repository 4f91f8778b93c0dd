"""Rules that a writer's answer must pass to become a triplet; each has a name under which it is counted.

The rules are those of InstructPix2Pix: Learning to Follow Image Editing Instructions (Brooks, Holynski,
Efros, 2023, arXiv:2211.09800, section 3.1 and its released code: two parts, and captions that differ beyond
case and the final stop), and those that a general chat model needs besides: one instruction, of words, of a
caption's length, that is no caption itself.

`rejection` asks about the form and goes for every writer. `doubt` asks whether the edit keeps to its caption,
changes it, and says what it changes: a language model may write well-formed nonsense, and small ones do. The
last of these is asked of what words mean, by a sentence encoder (`meaning.py`), or of the words alone.

Law: both are pure functions of the three texts; what they return is None or exactly one reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Protocol

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
    "repeats_itself",
    "same_words",
    "another_picture",
    "instruction_in_caption",
    "restates",
    "undone",
    "untold",
    "lost",
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


FUNCTION_WORDS: Final = frozenset(
    (
        *("a", "an", "the", "of", "in", "on", "at", "by", "with", "and", "or"),
        *("to", "as", "into", "from", "for", "out", "up", "front", "left", "right"),
        *("it", "its", "that", "this", "be", "are", "was", "were", "is", "some"),
        *("his", "her", "their", "him", "them", "he", "she", "they"),
    )
)
ORDERS: Final = frozenset(
    (
        *("add", "build", "change", "create", "cut", "draw", "erase"),
        *("exchange", "give", "have", "let", "make", "move"),
        *("paint", "pick", "put", "remove", "replace", "see", "set"),
        *("show", "swap", "take", "throw", "transform", "turn"),
    )
)
MEDIUM: Final = frozenset(("picture", "photo", "photograph", "image"))
"""Words of a caption that show nothing."""
_REMOVALS: Final = frozenset(("remove", "delete", "erase"))
_ADDITIONS: Final = frozenset(("add", "build", "create", "draw", "give", "paint"))
_ENDINGS: Final = ("s", "es", "d", "ed", "n", "en", "er", "y", "gy", "ny", "ly", "ing", "ish")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class Meaning(Protocol):
    """Whatever knows what words mean."""

    def doubt(self, original_prompt: str, edit_prompt: str, edited_prompt: str) -> str | None:
        """Return why an instruction is not believed to tell captions apart, or None if it is."""


def doubt(
    original_prompt: str, edit_prompt: str, edited_prompt: str, meaning: Meaning | None = None
) -> str | None:
    """Return why a well-formed answer is not believed, or None if it is.

    The rules look at words, so captions of fewer than two of them (other scripts write none apart) pass.

    Args:
        original_prompt: The caption that was given.
        edit_prompt: The instruction that came back.
        edited_prompt: The caption that came back.
        meaning: Says whether the instruction tells what changed; None asks for a word of what changed in it,
            which loses what is said in other words ("make it dark outside", "at night").
    """
    original, edit, edited = map(content_words, (original_prompt, edit_prompt, edited_prompt))
    if len(original) < 2:
        return None
    gone = [word for word in original if not among(word, edited)]
    come = [word for word in edited if not among(word, original)]
    if (_repeats(edited_prompt) and not _repeats(original_prompt)) or _doubles(original, edit, edited):
        return "repeats_itself"
    if not gone and not come:
        return "same_words"
    adds = not MEDIUM.issuperset(come)
    takes_away = not adds and any(among(word, edit) for word in gone)
    kept = len(set(original)) - len(set(gone))
    if kept < LEAST_KEPT * len(set(original)) and not takes_away:
        return "another_picture"
    if _begins_with_instruction(original_prompt, edit_prompt, edited_prompt):
        return "instruction_in_caption"
    if _restates(original, edit, edited):
        return "restates"
    if edit and edit[0] in _REMOVALS and any(among(word, edit) for word in come):
        return "undone"
    if edit and edit[0] in _ADDITIONS and not adds:
        return "undone"
    if meaning is not None:
        return meaning.doubt(original_prompt, edit_prompt, edited_prompt)
    # A word more or less of the same kind is a change, too: a second thing turns blue like the first.
    changed = gone + come + [word for word in edited if original.count(word) != edited.count(word)]
    return None if any(among(word, changed) for word in edit) else "unrelated"


def all_words(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Return the words of a text that name something."""
    return [word for word in all_words(text) if word not in FUNCTION_WORDS]


def among(word: str, others: Sequence[str]) -> bool:
    """Say whether a word is among others, whatever its ending: gold and golden, fog and foggy."""
    return any(_alike(word, other) for other in others)


def _alike(one: str, other: str) -> bool:
    """Say whether two words are one but for an ending."""
    short, long = sorted((one, other), key=len)
    endings = {short + ending for ending in _ENDINGS} | {short.removesuffix("e") + "ing"}
    return short == long or (len(short) >= 3 and long in endings)


def _begins_with_instruction(original_prompt: str, edit_prompt: str, edited_prompt: str) -> bool:
    """Say whether an edited caption begins with an order, or with the verb of the instruction."""
    begins = [(all_words(text) or [""])[0] for text in (original_prompt, edit_prompt, edited_prompt)]
    if begins[2] in FUNCTION_WORDS or begins[0] == begins[2]:
        return False
    return begins[2] in ORDERS or (begins[1] != begins[0] and _alike(begins[1], begins[2]))


def _restates(original: Sequence[str], edit: Sequence[str], edited: Sequence[str]) -> bool:
    """Say whether an instruction is a caption over again: it names most of one, changed or not."""
    named = [word for word in set(original) if among(word, edit)]
    if len(named) >= 3 and 2 * len(named) >= len(set(original)):
        return True
    left = [word for word in named if among(word, edited)]
    return len(left) >= 2 and all(among(word, edit) for word in edited)


def _doubles(original: list[str], edit: list[str], edited: list[str]) -> bool:
    """Say whether a thing stands in the edited caption once more, but for one more that was to be added."""
    added = edit[1] if edit[:1] == ["add"] and len(edit) > 1 and edit[1] in original else None
    return any(edited.count(word) > max(1, original.count(word)) for word in set(edited) if word != added)


def _repeats(text: str) -> bool:
    """Say whether three words that name something stand in a text twice, one after the other."""
    words = text.lower().split()
    runs = [words[place : place + 3] for place in range(len(words) - 2)]
    telling = [tuple(run) for run in runs if not FUNCTION_WORDS.issuperset(run)]
    return len(set(telling)) < len(telling)
