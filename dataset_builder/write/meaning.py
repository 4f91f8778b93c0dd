"""Whether an instruction tells the difference between two captions: asked of a sentence encoder.

What came into the caption must be told by the instruction, what went must be told or have given way to
something, and what was asked for must not be missing. Two texts are near where their directions are: the mean
of an encoder's states, as in Sentence-BERT (Reimers, Gurevych, 2019, arXiv 1908.10084). Word and phrase are
asked apart: that a caption as a whole is near its instruction says little of what else came into it.

The bounds were set on what SmolLM2-135M wrote of 300 captions, and on exact edits of scenes.

Law: a pure function of the three texts and the encoder. Words that both texts share are near, whatever the
encoder makes of them, so that it holds in languages that it never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from dataset_builder.write.rules import FUNCTION_WORDS, MEDIUM, ORDERS, all_words, among, content_words

if TYPE_CHECKING:
    from editors.model.text import TextReader

Sentences = Callable[[Sequence[str]], Any]
"""Texts to directions of length 1, (N, D): `TextReader.sentences`."""

TOLD: Final = 0.5
"""Cosine from which a phrase that came, or its best word, counts as told."""
HINTED: Final = 0.35
"""Cosine that each of its words reaches, unless the phrase as a whole reaches `PLAIN`."""
PLAIN: Final = 0.6
EXPLAINED: Final = 0.45
"""Cosine from which a part of the scene that went counts as told."""
SAME: Final = 0.85
"""Cosine of an instruction and an edited caption of `SEVERAL` words from which the one is the other again."""
SEVERAL: Final = 4
MEDIUM_ALIKE: Final = 0.64
"""Cosine of "a … of a cat" and "a picture of a cat" from which the word names a kind of picture."""
MOST_CHANGES: Final = 2
"""Places in which a caption changes."""
MOST_READ: Final = 20_000
"""Texts whose directions are kept: 30 MB of MiniLM's."""
WANTED: Final = 0.5
"""Cosine to what stayed from which a word of the instruction names something for the picture."""

_ARTICLES: Final = frozenset(("a", "an", "the"))
_LIGHT: Final = frozenset(("made", "wearing", "while", "falling", "standing", "sitting", "set", "sky"))
"""Words that join what is told to the rest."""
_POLITE: Final = frozenset(
    (
        *("i", "you", "would", "could", "should", "can", "like", "want", "wish", "please", "get"),
        *("what", "if", "not", "but", "rather", "than", "instead", "all", "scene"),
        *("place", "where", "there", "outside"),
    )
)
"""Words of an instruction that ask for nothing."""
_PARTS: Final = frozenset(
    (
        *("in", "on", "at", "by", "under", "near", "over", "behind", "beside", "along", "through", "with"),
        *("inside", "outside", "above", "below", "before", "after", "during", "while", "wearing", "and"),
    )
)
"""Words that another part of the scene begins with."""


@cache
def packaged_reader() -> TextReader:
    """Return the reader that pocket reads with; it is loaded when it is first asked for."""
    # Imported on use: torch is heavy, and where nothing is asked it is not needed.
    from editors.model.loading.checkpoints import load_text_encoder
    from editors.model.text import TextReader

    tokenizer, encoder = load_text_encoder()
    return TextReader(tokenizers=(tokenizer,), text_encoders=(encoder,))


def packaged_sentences(texts: Sequence[str]) -> Any:
    """Return texts as directions, as that reader reads them."""
    return packaged_reader().sentences(texts)


class SentenceMeaning:
    """Compares texts by the directions that an encoder gives them; those read last are kept.

    Args:
        sentences: The encoder.
    """

    def __init__(self, sentences: Sentences) -> None:
        self._sentences = sentences
        self._read: dict[str, Any] = {}

    def doubt(self, original_prompt: str, edit_prompt: str, edited_prompt: str) -> str | None:
        """Return why an instruction is not believed to tell two captions apart, or None if it is.

        Args:
            original_prompt: The caption that was given.
            edit_prompt: The instruction.
            edited_prompt: The caption after it.

        Returns:
            "restates" (the instruction is the caption over again), "another_picture" (it changed in many
            places, or is of another thing), "undone" (something asked for is missing), "untold" (something
            came of which it says nothing), "lost" (a part of the scene went without a word), "unrelated"
            (nothing that changed is told).
        """
        original, edit, edited = map(content_words, (original_prompt, edit_prompt, edited_prompt))
        gone = [word for word in original if not among(word, edited)]
        come = [word for word in edited if not among(word, original)]
        if len(edited) >= SEVERAL and max(self._cosines([edit_prompt], [edited_prompt])) >= SAME:
            return "restates"
        changes = list(_changes(original_prompt, edited_prompt))
        if len(changes) > MOST_CHANGES or any(self._is_of(came) for _, came in changes):
            return "another_picture"
        if self._undone(original, edit, edited, gone, come):
            return "undone"
        adds = not (MEDIUM | _LIGHT).issuperset(come)
        if not adds and any(among(word, edit) for word in gone):
            return None  # taken away by name, with whatever hung on it
        if not adds and any(among(word, edited) for word in edit):
            return "undone"  # it asks for what is there, and something else went
        nearest = 0.0
        for went, came in changes:
            new = [self._told(phrase, edit_prompt, come) for phrase in _phrases(came, come)]
            if None in new:
                return "untold"
            losses = [(phrase, self._near(phrase, edit_prompt)) for phrase in _phrases(went, gone)]
            untold = sum(phrase[0] in _PARTS and near < EXPLAINED for phrase, near in losses)
            if untold > _room(went, came):
                return "lost"
            nearest = max(
                (nearest, *(near for near in new if near), *(near for _, near in losses if not adds))
            )
        return None if nearest >= EXPLAINED else "unrelated"

    def _is_of(self, came: Sequence[str]) -> bool:
        """Say whether the picture became one of something else: a palace of the cat, no painting of it."""
        of_what = came[:-1] if came[-1:] == ["of"] else []
        named = [word for word in of_what if word not in FUNCTION_WORDS]
        if not named or named[-1] in _LIGHT:
            return False
        return max(self._cosines([f"a {named[-1]} of a cat"], ["a picture of a cat"])) < MEDIUM_ALIKE

    def _undone(
        self,
        original: Sequence[str],
        edit: Sequence[str],
        edited: Sequence[str],
        gone: Sequence[str],
        come: Sequence[str],
    ) -> bool:
        """Say whether a word asked for is in neither caption, and nearer to what stayed than to changes."""
        quiet = ORDERS | _POLITE
        asked = [word for word in edit if word not in quiet and not among(word, [*original, *edited])]
        stayed = [word for word in original if among(word, edited)]
        for word in asked:
            near = max(self._cosines([word], stayed), default=0.0)
            if near >= WANTED and near > max(self._cosines([word], [*gone, *come]), default=0.0):
                return True
        return False

    def _told(self, phrase: Sequence[str], edit_prompt: str, come: Sequence[str]) -> float | None:
        """Return how near a phrase that came is to the instruction; None where that is too far."""
        whole = max(self._cosines([" ".join(phrase)], [edit_prompt]))
        words = [(word, self._nearest(word, edit_prompt)) for word in _shown(phrase) if word in come]
        best = max(whole, *(near for _, near in words))
        stray = any(near < HINTED and word not in _LIGHT for word, near in words) and whole < PLAIN
        return None if best < TOLD or stray else best

    def _near(self, phrase: Sequence[str], edit_prompt: str) -> float:
        """Return how near a phrase, or its best word, is to the instruction."""
        whole = self._cosines([" ".join(phrase)], [edit_prompt])
        return max(*whole, *(self._nearest(word, edit_prompt) for word in _shown(phrase)))

    def _nearest(self, word: str, edit_prompt: str) -> float:
        """Return how near a word is to the instruction or its nearest word; 1 where it is named."""
        edit = content_words(edit_prompt)
        return 1.0 if among(word, edit) else max(self._cosines([word], [*edit, edit_prompt]))

    def _cosines(self, texts: Sequence[str], others: Sequence[str]) -> list[float]:
        """Return the cosine of each text and each other one, one after the other."""
        if len(self._read) > MOST_READ:  # a job may go on for days
            self._read.clear()
        new = [text for text in dict.fromkeys([*texts, *others]) if text not in self._read]
        if new:
            self._read.update(zip(new, self._sentences(new), strict=True))
        return [float(self._read[text] @ self._read[other]) for text in texts for other in others]


def _shown(words: Sequence[str]) -> list[str]:
    """Return the words that name something in a picture."""
    return [word for word in words if word not in FUNCTION_WORDS and word not in MEDIUM]


def _changes(original_prompt: str, edited_prompt: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield what went and what came in its place, as words, articles left out."""
    before, after = (
        [word for word in all_words(text) if word not in _ARTICLES]
        for text in (original_prompt, edited_prompt)
    )
    for tag, start, end, new_start, new_end in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            yield before[start:end], after[new_start:new_end]


def _room(went: Sequence[str], came: Sequence[str]) -> int:
    """Return how many parts may go untold: as many as came, and what hung on a thing that was replaced."""
    parts = sum(phrase[0] in _PARTS for phrase in _phrases(came))
    replaced = all(words and words[0] not in _PARTS for words in (went, came))
    return parts + replaced


def _phrases(words: Sequence[str], changed: Sequence[str] | None = None) -> list[list[str]]:
    """Cut words into parts that show something, and of a change, something that changed."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _PARTS:
            parts.append([])
        parts[-1].append(word)
    return [
        part
        for part in parts
        if (shown := _shown(part)) and (changed is None or any(word in changed for word in shown))
    ]
