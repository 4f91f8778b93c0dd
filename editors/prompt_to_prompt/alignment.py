"""Mappers between two prompts' tokens, and equalizers.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626). Unlike in the authors' code, after a swap that changes the number of tokens every later word
still maps to itself.

Laws: every unchanged word keeps its own map; the rows of a replacement mapper sum to 1, so attention does.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from editors.errors import AlignmentError
from editors.model.tokens import Prompt, TokenizedPrompt, Word

_LISTED = 12
"""Words of a prompt that an error names, at most."""


def can_replace(original: Prompt, edited: Prompt) -> bool:
    """Return whether two prompts differ by swapped words only: shared words stand at the same places."""
    ours, theirs = original.words, edited.words
    in_place = sum(our.ids == their.ids for our, their in zip(ours, theirs, strict=False))
    return len(ours) == len(theirs) and in_place == len(_common_words(ours, theirs))


def word_links(original: Prompt, edited: Prompt) -> tuple[tuple[int, int], ...]:
    """Return which words take their attention from which, as `operation="auto"` does.

    Returns:
        (place in the original's words, place in the edited prompt's), in order; words that are new, and words
        that have gone, are in none.
    """
    ours, theirs = original.words, edited.words
    if can_replace(original, edited):
        return tuple((place, place) for place in range(len(ours)))
    return tuple((ours.index(our), theirs.index(their)) for our, their in _common_words(ours, theirs))


def changed_words(original: Prompt, edited: Prompt) -> tuple[list[Word], list[Word]]:
    """Return the words of either prompt that the other lacks, in their longest common order."""
    ours, theirs = original.words, edited.words
    common = _common_words(ours, theirs)
    kept = {word.tokens for word, _ in common}, {word.tokens for _, word in common}
    return (
        [word for word in ours if word.tokens not in kept[0]],
        [word for word in theirs if word.tokens not in kept[1]],
    )


def replacement_mapper(original: Prompt, edited: Prompt) -> Tensor:
    """Map tokens for a word swap: the n-th word's attention goes to the n-th word.

    Where two words differ in their number of tokens, every edited token gets an equal share of every original
    one. Where several encoders read the prompts, each one's tokens are mapped among themselves.

    Returns:
        `(K_o, K_e)`; every row sums to 1, and no column is empty.

    Raises:
        AlignmentError: The prompts differ in their number of words.
    """
    return torch.block_diag(*map(_replacement, original.parts, edited.parts))


def refinement_mapper(original: Prompt, edited: Prompt) -> Tensor:
    """Map tokens for a refined prompt: words in both prompts, in their longest common order, keep their maps.

    Where several encoders read the prompts, each one's tokens are mapped among themselves.

    Returns:
        `(K_o, K_e)`, one 1 in the column of every shared token; the columns of new tokens are zero.
    """
    return torch.block_diag(*map(_refinement, original.parts, edited.parts))


def equalizer(prompt: Prompt, word_weights: Mapping[str, float], *, field: str = "word_weights") -> Tensor:
    """Return a factor per token, `(K,)`: the weights of the named words, and 1 elsewhere.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    factors = torch.ones(prompt.num_tokens)
    for word, weight in word_weights.items():
        factors[list(prompt.find(word, field=field))] = weight
    return factors


def indicator(prompt: Prompt, words: Sequence[str], *, field: str) -> Tensor:
    """Return 1 at the tokens of the named words and 0 elsewhere, `(K,)`.

    Raises:
        AlignmentError: A word is not in the prompt.
    """
    return equalizer(prompt, dict.fromkeys(words, 2.0), field=field) - 1


def _replacement(original: TokenizedPrompt, edited: TokenizedPrompt) -> Tensor:
    ours, theirs = original.words, edited.words
    if len(ours) != len(theirs) and not (original.is_cut or edited.is_cut):
        raise AlignmentError(
            "operation",
            f"“replace” swaps word for word, but original_prompt has {_listed(ours)} and "
            f"edited_prompt {_listed(theirs)}; choose “refine”, or write as many words in both.",
        )
    mapper = torch.zeros(original.num_tokens, edited.num_tokens)
    for position in range(original.first):
        mapper[position, position] = 1
    both = min(len(ours), len(theirs))
    for our, their in zip(ours[:both], theirs[:both], strict=True):
        _spread(mapper, our.tokens, their.tokens)
    # Where a window cuts a prompt, the words that it leaves to one alone go with the end token.
    beyond, behind = (
        words[both].tokens[0] if len(words) > both else prompt.end
        for prompt, words in ((original, ours), (edited, theirs))
    )
    last = max(original.end, edited.end)
    # End token to end token; but where one prompt fills the window, its end token also stands in for padding.
    padded = int(last + 1 < original.num_tokens)
    if padded:
        mapper[original.end, edited.end] = 1
    # Padding keeps its position; where only one prompt has padding, the next one of the other stands in for
    # it.
    until = last + padded + 1
    _spread(mapper, range(beyond + padded, until), range(behind + padded, until))
    for position in range(until, original.num_tokens):
        mapper[position, position] = 1
    return mapper


def _refinement(original: TokenizedPrompt, edited: TokenizedPrompt) -> Tensor:
    mapper = torch.zeros(original.num_tokens, edited.num_tokens)
    for position in (*range(original.first), *range(max(original.end, edited.end) + 1, original.num_tokens)):
        mapper[position, position] = 1
    mapper[original.end, edited.end] = 1
    for our, their in _common_words(original.words, edited.words):
        _spread(mapper, our.tokens, their.tokens)
    return mapper


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
