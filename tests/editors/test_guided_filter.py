"""Guided filtering: a map follows the edges of its picture, and means over windows are means."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from editors.pictures.guided_filter import _means, guided_filter


def test_a_map_of_one_value_stays_so_whatever_the_picture():
    guide = torch.rand(3, 20, 31, generator=torch.Generator().manual_seed(0))
    values = torch.full((20, 31), 0.7)
    assert torch.allclose(guided_filter(guide, values, radius=4, eps=1e-4), values, atol=1e-4)


@pytest.mark.parametrize("radius", [1, 3, 40])
def test_a_mean_of_rows_and_columns_is_that_of_the_window(radius):
    maps = torch.rand(2, 13, 17, generator=torch.Generator().manual_seed(1))
    wanted = avg_pool2d(maps[None], 2 * radius + 1, 1, radius, count_include_pad=False)[0]
    assert torch.allclose(_means(maps, radius), wanted, atol=1e-6)


def test_an_edge_that_is_somewhat_off_moves_to_the_pictures_own():
    guide = torch.zeros(3, 24, 24)
    guide[0, :, 12:] = 1.0  # a red half: its luma alone would tell, too, so a colour is told as well
    guide[2, :, :12] = 0.6
    off = torch.full((24, 24), -1.0)
    off[:, 10:] = 1.0
    found = guided_filter(guide, off, radius=6, eps=1e-4) > 0
    assert (found == (torch.arange(24) >= 12)).all()
