"""Law 9: text only, both, picture only: disjoint, each with probability p."""

import pytest
import torch

from trainer.tasks.conditioning import conditioning_dropout


@pytest.mark.parametrize("p", [0.0, 0.05, 0.1])
def test_three_disjoint_events_of_probability_p(p: float) -> None:
    u = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0))
    text, picture = conditioning_dropout(u, p)
    shares = [(~text & picture), (~text & ~picture), (text & ~picture)]
    for share in shares:
        assert share.float().mean().item() == pytest.approx(p, abs=0.002)
    assert (text & picture).float().mean().item() == pytest.approx(1 - 3 * p, abs=0.002)


def test_borders_belong_to_one_event_each() -> None:
    text, picture = conditioning_dropout(torch.tensor([0.0, 0.05, 0.1, 0.15]), 0.05)
    assert text.tolist() == [False, False, True, True]
    assert picture.tolist() == [True, False, False, True]
