"""What is painted is the mask, and a mask is what is seen painted."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from editors.images import read_mask
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.form import LABELS, request_of
from ui.history import keep
from ui.painter import SIDE, painted, surface


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
