"""A prompt cut into tokens: where its words are.

Unlike in the code of Hertz et al. (2022, arXiv 2208.01626), words are found as people write them (phrases,
punctuation, any case, double spaces), and a word that is not there is an error, not silence.
"""

import unicodedata
from dataclasses import dataclass
from typing import Any, Self

from editors.errors import AlignmentError, IncompatibleModel
from editors.requests.words import places_of, word_places


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a prompt and the positions of its tokens in the model's window."""

    text: str
    tokens: tuple[int, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizedPrompt:
    """A prompt as the text encoder sees it.

    Attributes:
        field: What the prompt is called in the request; errors name it.
        text: The prompt.
        ids: The content tokens, without start, end and padding.
        spans: For each content token its characters, `(start, end)` in `text`.
        first: The position of the first content token: 1 after a start token.
        num_tokens: The length of the window, padding included.
    """

    field: str
    text: str
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    first: int
    num_tokens: int

    @classmethod
    def of(cls, text: str, tokenizer: Any, *, num_tokens: int | None = None, field: str = "prompt") -> Self:
        """Tokenize a prompt with any of Hugging Face's fast tokenizers.

        Args:
            text: The prompt.
            tokenizer: The model's tokenizer.
            num_tokens: How many tokens the text encoder reads; None asks the tokenizer.
            field: What the prompt is called in the request.

        Raises:
            AlignmentError: The prompt is longer than the tokenizer's window; the error quotes what does not
                fit.
            IncompatibleModel: The tokenizer cannot tell which characters a token stands for.
        """
        if not tokenizer.is_fast:
            raise IncompatibleModel(
                f"{type(tokenizer).__name__} cannot tell which characters a token stands for: "
                "load the model with its fast tokenizer."
            )
        text = unicodedata.normalize("NFC", text)
        num_tokens = num_tokens or int(tokenizer.model_max_length)
        encoded = tokenizer(
            text,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            truncation=False,
            verbose=False,
        )
        content = [index for index, special in enumerate(encoded["special_tokens_mask"]) if not special]
        spans = tuple(tuple(encoded["offset_mapping"][index]) for index in content)
        length = len(encoded["input_ids"])
        room = num_tokens - (length - len(content))
        if len(content) > room:
            raise AlignmentError(
                field,
                f"is {length} tokens long and the model reads {num_tokens}; shorten it, "
                f"or “{text[spans[room][0] :].strip()}” would be cut off.",
            )
        return cls(
            field=field,
            text=text,
            ids=tuple(encoded["input_ids"][index] for index in content),
            spans=spans,
            first=int(encoded["input_ids"][0] in {tokenizer.bos_token_id, tokenizer.cls_token_id}),
            num_tokens=num_tokens,
        )

    @property
    def end(self) -> int:
        """The position after the last content token: the end token, and padding after it."""
        return self.first + len(self.spans)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order; their tokens are disjoint, and together all content tokens."""
        places = word_places(self.text)
        groups: list[list[int]] = [[] for _ in places]
        at = 0
        for index, (start, _) in enumerate(self.spans):
            # A token belongs to the word it starts in, or, being a space on its own, to the one before it.
            while at + 1 < len(places) and places[at][1] <= start and places[at + 1][0] <= start:
                at += 1
            groups[at].append(index)
        return tuple(
            Word(
                text=self.text[start:end],
                tokens=tuple(self.first + index for index in group),
                ids=tuple(self.ids[index] for index in group),
            )
            for (start, end), group in zip(places, groups, strict=True)
            if group
        )

    def find(self, word: str, *, field: str) -> tuple[int, ...]:
        """Return the token positions of a word or phrase, everywhere it occurs.

        Args:
            word: As a person writes it; case, the width of spaces and the form of apostrophes and hyphens do
                not matter.
            field: The field of the request that names the word, for the error.

        Raises:
            AlignmentError: The word is not in the prompt; the error names the words there are.
        """
        places = places_of(unicodedata.normalize("NFC", word), self.text)
        found = sorted({token for start, end in places for token in self._tokens(start, end)})
        if not found:
            there = ", ".join(dict.fromkeys(each.text for each in self.words)) or "none"
            raise AlignmentError(field, f"“{word}” is not in {self.field}; its words are {there}.")
        return tuple(found)

    def _tokens(self, start: int, end: int) -> tuple[int, ...]:
        return tuple(
            position
            for position, (token_start, token_end) in enumerate(self.spans, self.first)
            if token_start < end and start < token_end
        )
