"""Guided filtering: a map follows the edges of its picture."""

import numpy as np

from editors.pictures.guided_filter import guided_filter


def test_a_map_of_one_value_stays_so_whatever_the_picture():
    guide = np.random.default_rng(0).random((20, 31, 3), np.float32)
    values = np.full((20, 31), 0.7, np.float32)
    assert np.allclose(guided_filter(guide, values, radius=4, eps=1e-4), values, atol=1e-6)


def test_an_edge_that_is_somewhat_off_moves_to_the_pictures_own():
    guide = np.zeros((24, 24, 3), np.float32)
    guide[:, 12:, 0] = 1.0  # a red half: its luma alone would tell, too, so a colour is told as well
    guide[:, :12, 2] = 0.6
    off = np.full((24, 24), -1.0, np.float32)
    off[:, 10:] = 1.0
    found = guided_filter(guide, off, radius=6, eps=1e-4) > 0
    assert (found == (np.arange(24) >= 12)).all()
