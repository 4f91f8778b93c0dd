"""Say it in the model's words: which of the instructions that a model learnt is nearest to a wish.

Sentences are compared as the model's own text encoder reads them, by the mean of their states.
"""

from collections.abc import Sequence

from torch import Tensor

from editors.model.text import TextReader

NEAR = 0.5
"""Cosine from which an instruction is worth suggesting: "make it winter" is 0.85 from "make it snow", "put a
hat on him" 0.61 from "add a top hat", and below it stands what has little to do with the wish."""


class Suggestions:
    """The instructions that a model learnt, as it reads them: read when they are first asked for.

    Args:
        text: The model's reader.
        phrases: The instructions.
    """

    def __init__(self, text: TextReader, phrases: Sequence[str]) -> None:
        self._text, self._phrases = text, tuple(phrases)
        self._read: Tensor | None = None

    def nearest(self, wish: str) -> str | None:
        """Return the instruction that is nearest to a wish; None where none is near, or it is one itself."""
        if not self._phrases or wish.strip().lower() in self._phrases:
            return None
        phrase, cosine = self.near(wish)
        return phrase if cosine >= NEAR else None

    def near(self, wish: str) -> tuple[str, float]:
        """Return the instruction that is nearest to a wish, of one at least, and the cosine between them."""
        if self._read is None:
            self._read = self._text.sentences(self._phrases)  # (N, D)
        (near,) = self._text.sentences([wish]) @ self._read.T  # (N,)
        best = int(near.argmax())
        return self._phrases[best], float(near[best])
