"""Every rule of acceptance has one name; reading what a model wrote is total."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.scenes import WORLDS, caption, sample_edit, sample_scene
from dataset_builder.write.meaning import SentenceMeaning, packaged_sentences
from dataset_builder.write.messages import (
    TripletAnswer,
    chat_format,
    drawn_examples,
    read_chat,
    read_response,
    read_text,
)
from dataset_builder.write.rules import DOUBTS, REASONS, doubt, rejection

ORIGINAL = "a cat in the snow"
GOOD = {"edit_prompt": "make it a dog", "edited_prompt": "a dog in the snow"}
ANSWER = TripletAnswer(**GOOD)
JSON = json.dumps(GOOD)


@pytest.mark.parametrize(
    ("edit_prompt", "edited_prompt", "reason"),
    [
        ("make it a dog", "a dog in the snow", None),
        ("what if it was a dog?", "a dog in the snow, e.g. a spaniel", None),
        ("", "a dog in the snow", "empty"),
        ("make it a dog", " . ", "empty"),
        ("make it a dog " * 20, "a dog in the snow", "too_long"),
        ("make it a dog", "a dog " * 100, "too_long"),
        ("make it better", "A cat in  the snow!", "unchanged"),
        ("a cat in the snow.", "a dog in the snow", "instruction_is_caption"),
        ("a dog in the snow", "a dog in the snow", "instruction_is_caption"),
        ("make it a dog\nadd a hat", "a dog in the snow", "several_instructions"),
        ("make it a dog. Then add a hat", "a dog in the snow", "several_instructions"),
        ("1. make it a dog", "a dog in the snow", "several_instructions"),
        ("- make it a dog", "a dog in the snow", "several_instructions"),
        ("make it <b>a dog</b>", "a dog in the snow", "markup"),
        ("make it a dog", '{"a": "dog in the snow"}', "markup"),
        ("edit_prompt: make it a dog", "a dog in the snow", "markup"),
        ("make it a dog", "see https://example.org", "markup"),
        ("make it\x00 a dog", "a dog in the snow", "markup"),
    ],
)
def test_each_rule_has_its_name(edit_prompt, edited_prompt, reason):
    assert rejection(ORIGINAL, edit_prompt, edited_prompt) == reason
    assert reason is None or reason in REASONS


@pytest.mark.parametrize(
    ("edit_prompt", "edited_prompt", "reason"),
    [
        ("make it a dog", "a dog in the snow", None),
        ("remove the cat", "the snow", None),
        ("turn the cat to gold", "a golden cat in the snow", None),
        ("make it foggy", "a cat in the snow in fog", None),
        ("add a cat", "a cat beside a cat in the snow", None),
        ("make it warmer", "the cat in a snow", "same_words"),
        ("make it a castle", "a cat in the snow in the snow", "repeats_itself"),
        ("turn it into a dog", "a dog on the moon", "another_picture"),
        ("remove the cat", "remove the dog in the snow", "instruction_in_caption"),
        ("what if it were a king?", "a cat with a lamp in the snow", "unrelated"),
    ],
)
def test_each_doubt_has_its_name(edit_prompt, edited_prompt, reason):
    assert rejection(ORIGINAL, edit_prompt, edited_prompt) is None
    assert doubt(ORIGINAL, edit_prompt, edited_prompt) == reason
    assert reason is None or reason in DOUBTS


@pytest.fixture(scope="module")
def meaning() -> SentenceMeaning:
    return SentenceMeaning(packaged_sentences)


@pytest.mark.parametrize(
    ("original_prompt", "edit_prompt", "edited_prompt", "reason"),
    [
        ("a tree on a beach", "make it dark outside", "a tree on a beach at night", None),
        ("a lake in the rain", "make the weather clear", "a lake", None),
        ("a house by a lake at night", "I would like it in daylight", "a house by a lake", None),
        (
            "a dog in a red hat in a city street",
            "what if he was a pirate?",
            "a pirate in a city street",
            None,
        ),
        ("a castle made of ice in a forest", "remove the castle", "a picture of a forest", None),
        ("a robot in a forest at night", "make it a knight", "a knight in a forest with a balloon", "untold"),
        ("a tree by a lake in fog", "turn it into a rocket", "a rocket", "another_picture"),
        ("a red tree by a lake", "make it a blue tree", "a blue tree", "lost"),
        ("a cat on a chair", "make it snow on the chair", "a cat on a chair at sunset", "untold"),
        ("a boat on a beach in the rain", "make it snow in the rain", "a boat in the rain", "undone"),
        ("a cat in the snow", "a cat in the snow in a hat", "a cat in a hat in snow", "restates"),
        ("a house in a meadow", "remove the statue", "a house in a meadow with a statue", "undone"),
    ],
)
def test_meaning_finds_what_no_word_tells(original_prompt, edit_prompt, edited_prompt, reason, meaning):
    assert rejection(original_prompt, edit_prompt, edited_prompt) is None
    assert doubt(original_prompt, edit_prompt, edited_prompt, meaning) == reason


def test_exact_edits_are_seldom_doubted(meaning):
    told = []
    for seed in range(250):
        scene = sample_scene(seed, world=WORLDS["pocket"], split="train")
        edit = sample_edit(scene, seed)
        if edit is not None:
            told.append((caption(edit.original), edit.edit_prompt, caption(edit.edited)))
    by_words, by_meaning = (sum(doubt(*texts, how) is not None for texts in told) for how in (None, meaning))
    assert by_words < 0.1 * len(told)
    assert by_meaning < 0.03 * len(told)


def test_an_edit_of_one_scene_is_not_believed_of_another(meaning):
    edits = []
    for seed in range(120):
        edit = sample_edit(sample_scene(seed, world=WORLDS["pocket"], split="train"), seed)
        if edit is not None:
            edits.append((caption(edit.original), edit.edit_prompt, caption(edit.edited)))
    crossed = [
        (original, other, edited)
        for (original, said, edited), (_, other, _) in pairwise(edits)
        if said != other
    ]
    assert sum(doubt(*texts, meaning) is not None for texts in crossed) > 0.8 * len(crossed)


def test_scripts_that_write_no_words_apart_are_not_doubted(meaning):
    assert doubt("雪の中の猫", "犬にして", "雪の中の犬") is None
    assert doubt("雪の中の猫", "犬にして", "雪の中の犬", meaning) is None


def test_words_that_both_texts_share_are_told_whatever_the_encoder_makes_of_them():
    nothing_is_near = SentenceMeaning(lambda texts: torch.zeros(len(texts), 4))
    texts = ("eine Katze im Schnee", "mach aus der Katze einen Hund", "ein Hund im Schnee")
    assert doubt(*texts, nothing_is_near) is None


@given(st.text(), st.text(), st.text())
def test_doubting_never_fails(original, edit, edited):
    if rejection(original, edit, edited) is None:
        assert doubt(original, edit, edited) in (None, *DOUBTS)


WORDS = st.lists(
    st.sampled_from(("a", "cat", "on", "the", "moon", "at", "night", "with", "red", "picture", "of")),
    max_size=9,
)


@given(*(WORDS.map(" ".join) for _ in range(3)))
def test_doubting_of_meaning_never_fails(original, edit, edited):
    def anywhere(texts):
        return torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(len(t))) for t in texts])

    if rejection(original, edit, edited) is None:
        assert doubt(original, edit, edited, SentenceMeaning(anywhere)) in (None, *DOUBTS)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"  {JSON}\n",
        f"```json\n{JSON}\n```",
        f"```\n{JSON}```",
        f"Here you are: {JSON} Enjoy!",
        f'{{"thought": "hm"}} {JSON}',
        json.dumps({**GOOD, "confidence": 1}),
        "edit_prompt: make it a dog\nedited_prompt: a dog in the snow",
        '"Edit_prompt": "make it a dog",\n"edited_prompt": a dog in the snow',
    ],
)
def test_an_answer_is_found_however_it_is_dressed(text):
    assert read_text(text) == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "make it a dog",
        JSON[:-3],
        "[1, 2]",
        '{"edit_prompt": 3, "edited_prompt": "a"}',
        "{" * 5000,
        "null",
    ],
)
def test_what_is_no_answer_is_none(text):
    assert read_text(text) is None


def chat(**message):
    return {"choices": [{"message": message, "finish_reason": message.pop("ended", "stop")}]}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (chat(content=JSON), "answer"),
        (chat(content=None), "empty"),
        (chat(content=" "), "empty"),
        (chat(content="nonsense"), "malformed"),
        (chat(content=JSON, ended="length"), "cut_off"),
        (chat(content="", ended="content_filter"), "filtered"),
        (chat(content=None, refusal="I will not"), "refused"),
        (chat(content="I'm sorry, I can't do that"), "refused"),
        ({"choices": []}, "not_an_answer"),
        ({"choices": [{"text": "old"}]}, "not_an_answer"),
        ({"error": "what?"}, "not_an_answer"),
        ([], "not_an_answer"),
        (None, "not_an_answer"),
    ],
)
def test_every_body_of_a_chat_has_one_outcome(body, outcome):
    assert read_chat(body).outcome == outcome


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "output", "type", "refusal", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_reading_never_fails(body):
    for read in (read_chat, read_response):
        reply = read(body)
        assert (reply.answer is not None) == (reply.outcome == "answer")
        assert reply.prompt_tokens >= 0


def test_the_schema_is_closed_and_asks_for_both_texts():
    """What "strict" servers require of a schema."""
    schema = chat_format("json_schema")["response_format"]["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"]) == set(GOOD)


def test_examples_are_drawn_by_the_seed_and_the_prompt_alone():
    examples: list[Any] = list(range(24))
    assert drawn_examples(examples, 4, 0, "a") == drawn_examples(examples, 4, 0, "a")
    assert drawn_examples(examples, 4, 0, "a") != drawn_examples(examples, 4, 0, "b")
    assert len(set(drawn_examples(examples, 32, 1, "a"))) == 24
