"""Law: draws are functions of seed, purpose and position; each epoch sees every sample once."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.data import draws
from trainer.data.philox import philox, philox_on_cpu


def test_each_epoch_sees_every_sample_once_in_its_own_order() -> None:
    schedule = draws.Schedule(seed=3, num_samples=7)
    epochs = [schedule.indices(range(start, start + 7)).tolist() for start in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_batch_may_straddle_epochs() -> None:
    schedule = draws.Schedule(seed=3, num_samples=7)
    whole = schedule.indices(range(14))
    assert np.array_equal(np.concatenate([schedule.indices(range(5)), schedule.indices(range(5, 14))]), whole)


ALL = 2**64 - 1
PI = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
        ),
        (
            (ALL, ALL, ALL, ALL),
            (ALL, ALL),
            (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
        ),
        (
            PI,
            (0x452821E638D01377, 0xBE5466CF34E90C6C),
            (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
        ),
    ],
)
def test_the_numbers_are_those_that_its_authors_publish(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    """Known answers of Random123, `kat_vectors`, philox4x64 with 10 rounds."""
    words = [torch.tensor(number - 2**64 if number >= 2**63 else number) for number in counter]
    found = philox(key, (words[0], words[1], words[2], words[3])).tolist()
    assert tuple(number % 2**64 for number in found) == expected


def test_the_cpu_gives_the_numbers_of_every_device() -> None:
    rng = np.random.default_rng(0)
    rest = rng.integers(0, 2**63, (5, 3), np.uint64)
    key = (2**63 - 5, 7)
    on_cpu = philox_on_cpu(key, 1, rest, 9)
    numbers = torch.from_numpy(rest.view(np.int64))
    counters = [torch.arange(1, 10).expand(5, 9), *(numbers[:, k, None].expand(5, 9) for k in range(3))]
    elsewhere = philox(key, (counters[0], counters[1], counters[2], counters[3])).flatten(1)
    assert np.array_equal(elsewhere.numpy().view(np.uint64), on_cpu)


@pytest.mark.parametrize("wide", [1, 23, 31])
def test_rows_have_the_same_bits_on_every_device(wide: int) -> None:
    rows = draws.Rows(3, [5, 2**40, 6])
    here, elsewhere = rows.bits("noise", 21, wide), rows._words("noise", 21, 32 - wide)
    assert torch.equal(here, elsewhere) and here.dtype == elsewhere.dtype == torch.int32
    assert int(here.min()) >= 0 and int(here.max()) < 2**wide


@pytest.mark.parametrize("shape", [(2, 3), (7,), (1, 1, 1)])
def test_draws_do_not_depend_on_how_positions_are_shared(shape: tuple[int, ...]) -> None:
    together = draws.Rows(1, range(8)).normal("noise", shape)
    apart = [draws.Rows(1, part).normal("noise", shape) for part in (range(5), range(5, 8))]
    assert torch.equal(together, torch.cat(apart))
    picked = draws.Rows(1, range(8)).of([6, 2])
    assert torch.equal(picked.normal("noise", shape), together[[6, 2]])


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    rows = draws.Rows(1, range(3))
    assert torch.equal(rows.bits("noise", 12, 31)[:, :5], rows.bits("noise", 5, 31))


def test_other_seed_other_purpose_other_position_other_draws() -> None:
    far = range(2**40, 2**40 + 16)  # a position may need more than 32 bits
    drawn = [
        draws.Rows(seed, positions).uniform(purpose)
        for seed, positions, purpose in (
            (0, range(16), "flip"),
            (1, range(16), "flip"),
            (0, range(16), "crop"),
            (0, far, "flip"),
        )
    ]
    assert len(set(torch.cat(drawn).tolist())) == 64


def test_purposes_are_told_apart() -> None:
    """All that is drawn in training: two with one number would be one draw."""
    names = (
        "blurred conditions crop error flip mirrored noise noised posterior sigma signal softness strength"
    )
    purposes = [*names.split(), "timestep", "wording"]
    assert len({draws._purpose(name) for name in purposes}) == len(purposes)


def test_a_number_of_a_purpose_does_not_depend_on_what_is_asked_for_with_it() -> None:
    rows = draws.Rows(1, range(5))
    flip, crop = rows.uniform("flip", "crop")
    assert torch.equal(flip, rows.uniform("flip")) and torch.equal(crop, rows.uniform("crop"))
    first = rows.bits("flip", 1, 24)[:, 0]
    assert torch.equal(flip * 2**24, first.float())


def test_uniform_numbers_and_timesteps_keep_to_their_range_and_fill_it() -> None:
    rows = draws.Rows(0, range(20_000))
    numbers, steps = rows.uniform("flip"), rows.timesteps(10)
    assert 0 <= numbers.min() < 0.001 and 0.999 < numbers.max() < 1
    assert steps.dtype == torch.int64 and steps.unique().tolist() == list(range(10))
    # A share of a tenth of so many strays by less than five deviations, or one seed in a million is at fault.
    assert (steps.bincount() / len(rows) - 0.1).abs().max() < 5 * math.sqrt(0.09 / len(rows))


def test_noise_is_gaussian_and_of_one_sample_independent() -> None:
    noise = draws.Rows(5, range(512)).normal("noise", (4, 16, 16)).double()
    count = noise.numel()
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):  # of Gaussian moments
        assert abs(float((noise**power).mean()) - expected) < 5 * math.sqrt(variance / count)
    assert noise.isfinite().all() and noise.abs().max() > 4
    neighbours = (noise[:, :, :, 1:] * noise[:, :, :, :-1], noise[1:] * noise[:-1])
    assert all(abs(float(product.mean())) < 5 / math.sqrt(product.numel()) for product in neighbours)


def test_a_device_is_called_as_often_for_one_sample_as_for_a_thousand() -> None:
    class Counted(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls += 1
            return func(*args, **(kwargs or {}))

    counts = []
    for rows in (1, 1000):
        with Counted() as counted:
            draws.Rows(0, range(rows), "meta").normal("noise", (4, 8, 8))
        counts.append(counted.calls)
    assert counts[0] == counts[1] > 0
