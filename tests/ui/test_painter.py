"""What is painted is the mask, and a mask is what is seen painted."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from editors import InstructionEdit
from editors.pictures.images import read_mask
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.components.form import LABELS, request_of
from ui.components.history import keep
from ui.components.masking import softened
from ui.components.painter import SIDE, painted, surface
from ui.server.watch import _beside, _small_mask


def test_a_soft_edge_is_as_wide_as_was_asked_and_none_is_none():
    mask = Image.new("L", (200, 100))
    ImageDraw.Draw(mask).rectangle((0, 0, 99, 99), fill=255)
    assert softened(mask, 0) is mask and softened(None, 5) is None
    for percent in (1, 10):
        levels = np.asarray(softened(mask, percent))[50]
        grey = ((levels > 5) & (levels < 250)).sum()
        assert grey == pytest.approx(200 * percent / 100 * 2, rel=0.6)


def test_previews_obey_the_mask():
    before, preview = Image.new("RGB", (60, 40), "grey"), Image.new("RGB", (30, 20), "red")
    mask = Image.new("L", (60, 40))
    ImageDraw.Draw(mask).rectangle((0, 0, 29, 39), fill=255)
    request = InstructionEdit(original_image=before, edit_prompt="x", mask=mask)
    _, after = _beside(before, preview, _small_mask(request, before))
    assert after.getpixel((5, 20)) == (255, 0, 0) and after.getpixel((55, 20)) == before.getpixel((55, 20))


def test_strokes_are_brought_to_the_picture_and_back(tmp_path):
    size = (2 * SIDE, SIDE)
    photo = tmp_path / "photo.png"
    tiny.photo(size).save(photo)
    shown = surface(str(photo))
    assert shown["background"].size == (SIDE, SIDE // 2) and shown["layers"] == []
    layer = Image.new("RGBA", shown["background"].size, (0, 0, 0, 0))
    assert painted({**shown, "layers": [layer]}) is None and painted(shown) is None and painted(None) is None
    ImageDraw.Draw(layer).rectangle((100, 50, 299, 149), fill="white")
    strokes = painted({**shown, "layers": [layer]})
    assert strokes is not None

    given = dict.fromkeys(LABELS) | {"original_image": str(photo), "edit_prompt": "make it night"}
    asked = request_of([{**given, "mask": strokes}[name] for name in LABELS])
    assert asked.mask is not None
    mask = read_mask("mask", asked.mask, size)
    assert (mask[110:290, 210:590] == 255).all() and (mask == 255).sum() <= 400 * 200

    entry = keep(NegativeEditor().edit(replace(asked, seed=1)), tmp_path)
    assert entry.mask is not None
    (again,) = surface(str(photo), entry.mask)["layers"]
    kept = painted({"layers": [again]})
    assert kept is not None
    assert np.abs(np.asarray(kept, dtype=int) - np.asarray(strokes, dtype=int)).mean() < 1
