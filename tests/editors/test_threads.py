"""Threads for a call of the UNet: few for a small one, all for a large one, and torch's count as it was."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from editors import InstructionEdit, InstructPix2PixEditor, PromptEdit, PromptToPromptEditor
from editors.model.loading.load import from_pipeline
from editors.model.threads import WORTH_WAKING, threads_for, threads_that_pay
from tests import tiny

AVAILABLE = 6


@pytest.fixture
def six_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(AVAILABLE)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def counts(monkeypatch):
    """How many threads there are at each call of a UNet."""
    seen: list[int] = []
    original = tiny.UNet2DConditionModel.forward

    def forward(*arguments, **options):
        seen.append(torch.get_num_threads())
        return original(*arguments, **options)

    monkeypatch.setattr(tiny.UNet2DConditionModel, "forward", forward)
    return seen


@pytest.mark.parametrize("available", range(1, 65))
def test_no_more_than_there_are_at_least_one_and_all_where_they_pay(available):
    few = threads_for(WORTH_WAKING / 2, available)
    assert 1 <= few <= max(1, available // 2)
    assert threads_for(WORTH_WAKING, available) == available


@pytest.mark.parametrize("way", ["instruction", "words", "words on a photo"])
def test_editors_call_small_unets_with_few_threads(way, six_threads, counts):
    asked: dict[str, Any] = {"num_inference_steps": 2, "seed": 3}
    if way == "instruction":
        edit = InstructionEdit(original_image=tiny.photo(), edit_prompt="make it night", **asked)
        InstructPix2PixEditor.from_pipeline(tiny.pipeline()).edit(edit)
    else:
        photo = tiny.photo() if way == "words on a photo" else None
        words = PromptEdit(original_image=photo, original_prompt="a cat", edited_prompt="a dog", **asked)
        PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="base")).edit(words)
    assert set(counts) == {threads_for(1, AVAILABLE)}
    assert torch.get_num_threads() == AVAILABLE


@pytest.mark.parametrize("policy", [None, "ACTIVE"])
def test_threads_that_spin_are_all_taken(policy, six_threads, counts, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if policy is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    edit = InstructionEdit(original_image=tiny.photo(), edit_prompt="make it night", num_inference_steps=2)
    InstructPix2PixEditor.from_pipeline(tiny.pipeline()).edit(edit)
    assert set(counts) == {AVAILABLE}


def network(weights: float) -> torch.nn.Module:
    """As many weights as it is told, and no memory."""
    return torch.nn.Linear(int(weights), 1, bias=False, device="meta")


def test_a_large_call_takes_all(six_threads):
    latents = torch.zeros(2, 4, 8, 8)
    with threads_that_pay(network(WORTH_WAKING / 128), latents):
        assert torch.get_num_threads() == AVAILABLE
    with threads_that_pay(network(WORTH_WAKING / 129), latents):
        assert torch.get_num_threads() < AVAILABLE


def test_a_call_that_fails_leaves_the_count_as_it_was(six_threads):
    with pytest.raises(ValueError), threads_that_pay(network(1), torch.zeros(1, 4, 8, 8)):
        assert torch.get_num_threads() < AVAILABLE
        raise ValueError
    assert torch.get_num_threads() == AVAILABLE


def test_a_step_of_training_takes_all_threads_in_both_its_passes(six_threads, counts):
    """The loss is asked of a module in training; the same network in use takes few."""
    model = from_pipeline(tiny.pipeline(kind="base"))
    conditioning = model.condition(["a cat"], size=(32, 32))
    for in_training in (True, False):
        model.network.module.train(in_training)
        model.network.predict(torch.zeros(1, 4, 8, 8), torch.tensor(1), conditioning)
    assert counts == [AVAILABLE, threads_for(1, AVAILABLE)] and counts[1] < AVAILABLE
