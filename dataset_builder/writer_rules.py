"""What a writer's answer must be before it becomes a triplet, each rule with a name that is counted.

The rules are those of InstructPix2Pix: Learning to Follow Image Editing Instructions (Brooks, Holynski,
Efros, 2023, arXiv:2211.09800, section 3.1 and its released code: two parts, and captions that differ beyond
case and the final stop), and those that a general chat model needs besides: one instruction, of words, of a
caption's length, that is no caption itself.

Law: `rejection` is a pure function of the three texts; what it returns is None or exactly one reason.
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
