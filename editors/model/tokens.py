"""A prompt cut into tokens: where its words are.

Unlike in the code of Hertz et al. (2022, arXiv 2208.01626), words are found as people write them (phrases,
punctuation, any case, double spaces), and a word that is not there is an error, not silence.
"""

import unicodedata
from collections.abc import Iterator
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
        is_cut: Whether the prompt is longer, and the encoder reads the beginning alone.
    """

    field: str
    text: str
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    first: int
    num_tokens: int
    is_cut: bool = False

    @classmethod
    def of(
        cls,
        text: str,
        tokenizer: Any,
        *,
        num_tokens: int | None = None,
        field: str = "prompt",
        may_cut: bool = False,
    ) -> Self:
        """Tokenize a prompt with any of Hugging Face's fast tokenizers.

        Args:
            text: The prompt.
            tokenizer: The model's tokenizer.
            num_tokens: How many tokens the text encoder reads; None asks the tokenizer.
            field: What the prompt is called in the request.
            may_cut: Whether the beginning of a prompt will do, since another encoder reads all of it.

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
        spans = tuple(_without_space(text, *encoded["offset_mapping"][index]) for index in content)
        length = len(encoded["input_ids"])
        room = num_tokens - (length - len(content))
        is_cut = len(content) > room
        if is_cut and not may_cut:
            raise AlignmentError(
                field,
                f"is {length} tokens long and the model reads {num_tokens}; shorten it, "
                f"or “{text[spans[room][0] :].strip()}” would be cut off.",
            )
        return cls(
            field=field,
            text=text,
            ids=tuple(encoded["input_ids"][index] for index in content[:room]),
            spans=spans[:room],
            is_cut=is_cut,
            first=int(encoded["input_ids"][0] in {tokenizer.bos_token_id, tokenizer.cls_token_id}),
            num_tokens=num_tokens,
        )

    @property
    def end(self) -> int:
        """The position after the last content token: the end token, and padding after it."""
        return self.first + len(self.spans)

    @property
    def parts(self) -> "tuple[TokenizedPrompt, ...]":
        """The prompt as each encoder sees it whose states stand behind one another: here one."""
        return (self,)

    @property
    def content(self) -> tuple[int, ...]:
        """The positions of the content tokens."""
        return tuple(range(self.first, self.end))

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order; their tokens are disjoint, and together all content tokens."""
        return tuple(word for word in self.by_place() if word.tokens)

    def by_place(self) -> Iterator[Word]:
        """Yield all words that people see, those without a token of their own among them."""
        places = word_places(self.text)
        groups: list[list[int]] = [[] for _ in places]
        at = 0
        for index, (start, _) in enumerate(self.spans):
            # A token belongs to the word it starts in, or, being a space on its own, to the one before it.
            while at + 1 < len(places) and places[at][1] <= start and places[at + 1][0] <= start:
                at += 1
            groups[at].append(index)
        for (start, end), group in zip(places, groups, strict=True):
            yield Word(
                text=self.text[start:end],
                tokens=tuple(self.first + index for index in group),
                ids=tuple(self.ids[index] for index in group),
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
        found = self.tokens_of(word)
        if not found:
            raise AlignmentError(field, _not_there(word, self))
        return found

    def tokens_of(self, word: str) -> tuple[int, ...]:
        """Return the token positions of a word or phrase, everywhere it occurs; none where it does not."""
        places = places_of(unicodedata.normalize("NFC", word), self.text)
        return tuple(
            position
            for position, (token_start, token_end) in enumerate(self.spans, self.first)
            if any(token_start < end and start < token_end for start, end in places)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinedPrompt:
    """A prompt as several text encoders see it, whose states stand behind one another.

    Attributes:
        parts: The prompt as each sees it, in the order of the states; a word may have tokens in all. One at
            least reads all of it.
    """

    parts: tuple[TokenizedPrompt, ...]

    @property
    def field(self) -> str:
        """What the prompt is called in the request."""
        return self.parts[0].field

    @property
    def text(self) -> str:
        """The prompt."""
        return self.parts[0].text

    @property
    def ids(self) -> tuple[int, ...]:
        """The content tokens of all encoders."""
        return tuple(token for part in self.parts for token in part.ids)

    @property
    def num_tokens(self) -> int:
        """The length of all windows together."""
        return sum(part.num_tokens for part in self.parts)

    @property
    def content(self) -> tuple[int, ...]:
        """The positions of the content tokens."""
        return tuple(begins + token for begins, part in self._placed() for token in part.content)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order, each with its tokens in every part."""
        return tuple(
            word for word in map(self._joined, *(part.by_place() for part in self.parts)) if word.tokens
        )

    def find(self, word: str, *, field: str) -> tuple[int, ...]:
        """Return the token positions of a word or phrase; see `TokenizedPrompt.find`.

        Raises:
            AlignmentError: The word is not in the prompt; the error names the words there are.
        """
        found = tuple(begins + token for begins, part in self._placed() for token in part.tokens_of(word))
        if not found:
            raise AlignmentError(field, _not_there(word, self))
        return found

    def _placed(self) -> Iterator[tuple[int, TokenizedPrompt]]:
        """Yield the parts, each with the position at which it begins."""
        begins = 0
        for part in self.parts:
            yield begins, part
            begins += part.num_tokens

    def _joined(self, *words: Word) -> Word:
        placed = list(zip((begins for begins, _ in self._placed()), words, strict=True))
        # A word that one prompt has beyond a window, and another within it, is the same.
        reads = [word for part, word in zip(self.parts, words, strict=True) if not part.is_cut]
        return Word(
            text=words[0].text,
            tokens=tuple(begins + token for begins, word in placed for token in word.tokens),
            ids=tuple(token for word in reads for token in word.ids),
        )


Prompt = TokenizedPrompt | JoinedPrompt
"""A prompt as a network reads it."""


def _not_there(word: str, prompt: Prompt) -> str:
    there = ", ".join(dict.fromkeys(each.text for each in prompt.words)) or "none"
    return f"“{word}” is not in {prompt.field}; its words are {there}."


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a token's characters without the space before them, which some tokenizers count to a word."""
    bare = text[start:end].lstrip()
    return (end - len(bare) if bare else start), end
