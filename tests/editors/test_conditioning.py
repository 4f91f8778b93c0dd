"""What the UNet is told: rows stay together, and say what diffusers' pipelines say."""

import pytest
import torch

from editors.model.conditioning import Conditioning
from editors.model.loading.load import from_pipeline
from tests import tiny


def rows(*numbers: float, full: bool = True) -> Conditioning:
    column = torch.tensor(numbers)[:, None]
    return Conditioning(
        states=column[..., None].expand(-1, 3, 4),
        pooled=column.expand(-1, 5) + 0.25 if full else None,
        time_ids=column.expand(-1, 6) + 0.5 if full else None,
    )


def told(conditioning: Conditioning) -> list[list[float]]:
    parts = (conditioning.states[:, 0], conditioning.pooled, conditioning.time_ids)
    return [part[:, 0].tolist() for part in parts if part is not None]


@pytest.mark.parametrize("full", [True, False])
def test_picked_joined_and_repeated_rows_take_all_that_is_theirs_along(full):
    joined = Conditioning.cat([rows(1, 2, full=full), rows(3, full=full)])
    picked = joined.rows([2, 0, 0])
    offsets = (0, 0.25, 0.5) if full else (0,)
    assert told(picked) == [[3 + add, 1 + add, 1 + add] for add in offsets]
    assert told(joined.rows([1]).expand(3)) == [[2 + add] * 3 for add in offsets]
    assert (len(joined), len(picked)) == (3, 3)


def test_a_model_without_pooled_states_is_told_of_the_states_alone():
    model = from_pipeline(tiny.pipeline(kind="base"))
    condition = model.condition(["a cat", ""], size=(32, 32))
    assert list(condition.unet_kwargs()) == ["encoder_hidden_states"]
    assert torch.equal(condition.states, model.encode_prompt(["a cat", ""]))
