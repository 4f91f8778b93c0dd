"""Law: draws are functions of seed and position; each epoch sees every sample once."""

import numpy as np
import torch

from trainer.data import draws


def test_each_epoch_sees_every_sample_once_in_its_own_order() -> None:
    schedule = draws.Schedule(seed=3, num_samples=7)
    epochs = [schedule.indices(range(start, start + 7)).tolist() for start in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_batch_may_straddle_epochs() -> None:
    schedule = draws.Schedule(seed=3, num_samples=7)
    whole = schedule.indices(range(14))
    assert np.array_equal(np.concatenate([schedule.indices(range(5)), schedule.indices(range(5, 14))]), whole)


def test_draws_do_not_depend_on_how_positions_are_shared() -> None:
    together = draws.normal(draws.generators(1, range(8)), (2, 3))
    apart = torch.cat([draws.normal(draws.generators(1, part), (2, 3)) for part in (range(5), range(5, 8))])
    assert torch.equal(together, apart)


def test_other_seed_other_draws() -> None:
    one, other = (draws.uniform(draws.generators(seed, range(16))) for seed in (0, 1))
    assert not torch.equal(one, other)
    assert len(set(one.tolist())) == 16
