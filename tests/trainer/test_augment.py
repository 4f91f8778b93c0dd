"""Laws: the pictures of a pair are seen alike, rows of a batch are not; nothing is squashed; caches agree."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer import toy
from trainer.data import augment, draws
from trainer.data.augment import View, bucket_sizes, look, nearest_bucket, view
from trainer.errors import InvalidConfig
from trainer.tasks import instruct_pix2pix


def numbered(height, width):
    """A picture whose pixels say where they are."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns, rows, columns * 0], axis=2).astype(np.uint8))


def test_a_view_is_a_function_of_seed_sample_and_crop():
    assert view(1, 2, 3, flipped=True) == view(1, 2, 3, flipped=True)
    assert len({view(seed, sample, 1, flipped=False) for seed in range(3) for sample in range(9)}) == 27
    assert view(1, 2, 0, flipped=False) == View()


def test_a_flip_mirrors_what_the_crop_shows():
    picture, one = numbered(40, 60), view(3, 5, 2, flipped=False)
    mirrored = look(picture, (16, 32), view(3, 5, 2, flipped=True))
    assert np.array_equal(mirrored[:, ::-1], look(picture, (16, 32), one))


def test_a_picture_of_the_size_is_left_as_it_is():
    assert np.array_equal(look(numbered(24, 32), (24, 32), View()), np.asarray(numbered(24, 32)))


@pytest.mark.parametrize("crop", [0, 1, 2])
def test_nothing_is_squashed(crop):
    """Columns and rows of a picture twice as wide as its size change at one rate."""
    seen = look(numbered(100, 200), (64, 64), view(0, 0, crop, flipped=False)).astype(float)
    across = (seen[32, 56, 0] - seen[32, 8, 0]) / 48
    down = (seen[56, 32, 1] - seen[8, 32, 1]) / 48
    assert across == pytest.approx(down, rel=0.05)
    assert across <= 100 / 64 + 0.05  # it covers: the short side fills the size


@pytest.mark.parametrize(("resolution", "step"), [(512, 64), (256, 64), (64, 16)])
def test_sizes_are_multiples_of_the_step_within_area_and_aspect(resolution, step):
    sizes = bucket_sizes(resolution, step, 2.0)
    assert (resolution, resolution) in sizes
    assert all(h % step == 0 and w % step == 0 and h * w <= resolution**2 for h, w in sizes)
    assert all(max(h, w) <= 2 * min(h, w) and (w, h) in sizes for h, w in sizes)
    assert bucket_sizes(resolution, step, 1.0) == ((resolution, resolution),)


def test_a_picture_goes_to_the_size_of_its_aspect():
    sizes = bucket_sizes(512, 64, 2.0)
    assert nearest_bucket(300, 300, sizes) == (512, 512)
    for height, width in sizes:
        assert nearest_bucket(3 * height, 3 * width, sizes) == (height, width)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("put a hat on the left dog", True),
        ("move it to the Right-hand side", True),
        ("turn the hand clockwise", True),
        ("make it brighter", False),
        ("add copyright text", False),
    ],
)
def test_instructions_that_name_a_side_are_known(text, expected):
    assert augment.names_a_side(text) is expected


def views(task, indices, positions):
    [told] = task.batch(indices, positions)
    return task.latents.read(told.looks, told.size)


def test_flips_differ_within_a_batch_and_agree_within_a_pair(chain):
    task = instruct_pix2pix.make_task(toy.edit_config(chain, out=chain / "flips", crops=3))
    index = np.zeros(40, np.int64)
    seen = views(task, index, range(40))
    expected = {}
    for crop in range(3):
        for flipped in (False, True):
            original, edited = (
                task.whole.vae.encode(toy_pixels(task.latents.pixels(0, crop, flipped=flipped)[side][None]))
                for side in (0, 1)
            )
            expected[crop, flipped] = torch.cat([original.latent_dist.mean, edited.latent_dist.mean])
    found = [
        next(name for name, value in expected.items() if torch.allclose(value, row[:2], atol=1e-3, rtol=1e-3))
        for row in seen
    ]
    assert set(found) == set(expected)  # all six views, each with both pictures in it


def toy_pixels(pictures):
    from editors.pictures.batches import to_tensor

    return to_tensor(pictures)


def test_an_instruction_with_a_side_is_never_flipped(chain, tmp_path):
    task = instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / "run", flip_prob=1.0))
    assert task.latents.may_flip.all()
    task.latents.may_flip = np.arange(len(task.pairs)) != 3
    kept = views(task, np.array([3]), range(1))
    assert torch.equal(kept, task.latents.of(np.array([3]), np.array([0]), np.array([False])))


@pytest.mark.parametrize("sizes", ["one size", "several sizes"])
def test_cached_losses_are_fresh_losses_exactly(chain, tmp_path, sizes):
    data = chain / "pairs" if sizes == "one size" else toy.shaped(tmp_path / "shaped")
    options = {"crops": 2, "data": data, "batch_size": 3}
    tasks = [
        instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / name, cache_latents=kept, **options))
        for name, kept in (("cached", True), ("fresh", False))
    ]
    assert len(tasks[0].latents.buckets) == (1 if sizes == "one size" else 3)
    for start in range(0, 9, 3):
        indices, positions = np.arange(start, start + 3), range(start, start + 3)
        cached, fresh = (task.loss(task.model, task.batch(indices, positions)) for task in tasks)
        assert torch.equal(cached, fresh)


def test_samples_of_a_size_share_passes_and_epochs_stay_whole():
    groups = np.array([0] * 9 + [1] * 7 + [2] * 2)
    schedule = draws.Schedule(5, 18, groups, batch_size=4)
    mixed = 0
    for epoch in range(6):
        order = schedule.indices(range(18 * epoch, 18 * (epoch + 1)))
        assert sorted(order.tolist()) == list(range(18))
    for start in range(0, 108, 4):
        mixed += len(set(groups[schedule.indices(range(start, start + 4))])) > 1
    assert mixed <= 2 * 6 + 1  # of 27 passes: what is left over in each epoch, and no more


def test_a_resolution_the_base_cannot_halve_is_refused(chain, tmp_path):
    with pytest.raises(InvalidConfig, match=r"resolution: 18 .* multiple of 4"):
        instruct_pix2pix.make_task(toy.edit_config(chain, out=tmp_path / "run", resolution=18))
