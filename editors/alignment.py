"""Prompts and a tokenizer in; word spans, mappers between two prompts' tokens, and equalizers out.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626). Unlike in the authors' code, words are found as people write them (phrases, punctuation, any
case, double spaces); after a swap that changes the number of tokens every later word still maps to itself;
and a word that is not there is an error, not silence.

Laws: every unchanged word keeps its own map; the rows of a replacement mapper sum to 1, so attention does.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from editors.errors import AlignmentError, IncompatibleModel
from editors.words import places_of, word_places

_LISTED = 12
"""Words of a prompt that an error names, at most."""


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


def can_replace(original: TokenizedPrompt, edited: TokenizedPrompt) -> bool:
    """Return whether two prompts differ by swapped words only: shared words stand at the same places."""
    ours, theirs = original.words, edited.words
    in_place = sum(our.ids == their.ids for our, their in zip(ours, theirs, strict=False))
    return len(ours) == len(theirs) and in_place == len(_common_words(ours, theirs))


def word_links(original: TokenizedPrompt, edited: TokenizedPrompt) -> tuple[tuple[int, int], ...]:
    """Return which words take their attention from which, as `operation="auto"` does.

    Returns:
        (place in the original's words, place in the edited prompt's), in order; words that are new, and words
        that have gone, are in none.
    """
    ours, theirs = original.words, edited.words
    if can_replace(original, edited):
        return tuple((place, place) for place in range(len(ours)))
    return tuple((ours.index(our), theirs.index(their)) for our, their in _common_words(ours, theirs))


def replacement_mapper(original: TokenizedPrompt, edited: TokenizedPrompt) -> Tensor:
    """Map tokens for a word swap: the n-th word's attention goes to the n-th word.

    Where two words differ in their number of tokens, every edited token gets an equal share of every original
    one.

    Returns:
        `(K_o, K_e)`; every row sums to 1, and no column is empty.

    Raises:
        AlignmentError: The prompts differ in their number of words.
    """
    ours, theirs = original.words, edited.words
    if len(ours) != len(theirs):
        raise AlignmentError(
            "operation",
            f"“replace” swaps word for word, but original_prompt has {_listed(ours)} and "
            f"edited_prompt {_listed(theirs)}; choose “refine”, or write as many words in both.",
        )
    mapper = torch.zeros(original.num_tokens, edited.num_tokens)
    for position in range(original.first):
        mapper[position, position] = 1
    for our, their in zip(ours, theirs, strict=True):
        _spread(mapper, our.tokens, their.tokens)
    last = max(original.end, edited.end)
    # End token to end token; but where one prompt fills the window, its end token also stands in for padding.
    padded = int(last + 1 < original.num_tokens)
    if padded:
        mapper[original.end, edited.end] = 1
    # Padding keeps its position; where only one prompt has padding, the next one of the other stands in for
    # it.
    until = last + padded + 1
    _spread(mapper, range(original.end + padded, until), range(edited.end + padded, until))
    for position in range(until, original.num_tokens):
        mapper[position, position] = 1
    return mapper


def refinement_mapper(original: TokenizedPrompt, edited: TokenizedPrompt) -> Tensor:
    """Map tokens for a refined prompt: words in both prompts, in their longest common order, keep their maps.

    Returns:
        `(K_o, K_e)`, one 1 in the column of every shared token; the columns of new tokens are zero.
    """
    mapper = torch.zeros(original.num_tokens, edited.num_tokens)
    for position in (*range(original.first), *range(max(original.end, edited.end) + 1, original.num_tokens)):
        mapper[position, position] = 1
    mapper[original.end, edited.end] = 1
    for our, their in _common_words(original.words, edited.words):
        _spread(mapper, our.tokens, their.tokens)
    return mapper


def equalizer(
    prompt: TokenizedPrompt, word_weights: Mapping[str, float], *, field: str = "word_weights"
) -> Tensor:
    """Return a factor per token, `(K,)`: the weights of the named words, and 1 elsewhere.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    factors = torch.ones(prompt.num_tokens)
    for word, weight in word_weights.items():
        factors[list(prompt.find(word, field=field))] = weight
    return factors


def indicator(prompt: TokenizedPrompt, words: Sequence[str], *, field: str) -> Tensor:
    """Return 1 at the tokens of the named words and 0 elsewhere, `(K,)`.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    return equalizer(prompt, dict.fromkeys(words, 2.0), field=field) - 1


def _listed(words: Sequence[Word]) -> str:
    """Write words so that they fit in a sentence."""
    shown = ", ".join(word.text for word in words[:_LISTED])
    return f"{len(words)} words ({shown}{', …' if len(words) > _LISTED else ''})"


def _spread(mapper: Tensor, sources: Sequence[int], targets: Sequence[int]) -> None:
    """Give the sources' attention to the targets: one to one, or in equal shares if numbers differ."""
    if len(sources) == len(targets):
        mapper[list(sources), list(targets)] = 1
    else:
        mapper[sources[0] : sources[-1] + 1, targets[0] : targets[-1] + 1] = 1 / len(targets)


def _common_words(ours: Sequence[Word], theirs: Sequence[Word]) -> list[tuple[Word, Word]]:
    """Return a longest common subsequence of two lists of words, as pairs; equal words have equal tokens."""
    longest = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]  # of the words from i and from j on
    for i in reversed(range(len(ours))):
        for j in reversed(range(len(theirs))):
            same = ours[i].ids == theirs[j].ids
            longest[i][j] = 1 + longest[i + 1][j + 1] if same else max(longest[i + 1][j], longest[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(ours) and j < len(theirs):
        if ours[i].ids == theirs[j].ids:
            pairs.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
