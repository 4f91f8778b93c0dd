#!/usr/bin/env python
"""How often a moved edit is found to be moved, and how often one that was not.

    scripts/measure_shift.py --out pairs           # about three minutes

Views into panoramas and their exact edits (dawn, night, snow, styles) are softened and made noisy, as an
autoencoder leaves them, and moved by a few pixels; so are unrelated views. `wordbrush data artwork` fetches
the panoramas.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from dataset_builder import records
from dataset_builder.shards.dataset import read_dataset
from editors.pictures.images import to_image, to_pixels
from editors.pictures.shift import Shift, shift_between
from evaluation.photo_pairs import TARGETS, PhotoPairs

SHIFTS: tuple[Shift, ...] = ((0, 0), (1, 0), (2, 0), (3, -2), (-6, 8))


def main() -> None:
    """Draw the pairs, move them, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--num", type=int, default=110, help="pairs")
    parser.add_argument("--side", type=int, default=512, help="pixels of the longer side")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pairs")
    asked = parser.parse_args()
    pairs = PhotoPairs(out=asked.out, photos=None, num=asked.num, size=asked.side, seed=asked.seed)
    random, found = np.random.default_rng(asked.seed), Counter[tuple[str, str]]()
    last = None
    for number, (before, after) in enumerate(drawn(pairs)):
        kind = TARGETS[number % len(TARGETS)][1]
        soft = to_pixels(to_image(after).filter(ImageFilter.GaussianBlur(1.2)))
        lossy = (soft + random.normal(0, 0.02, soft.shape)).clip(0, 1).astype(np.float32)
        for shift in SHIFTS:
            said = shift_between(before, np.roll(lossy, shift, (0, 1)))
            found[str(shift), _verdict(said, shift)] += 1
            if said not in (shift, (0, 0)):
                print(f"{kind}: moved by {shift}, said {said}")
        if last is not None and last.shape == lossy.shape:
            found["another view", _verdict(shift_between(last, lossy), (0, 0))] += 1
        last = before
    for (moved, verdict), count in sorted(found.items()):
        print(f"{moved}: {verdict} {count}")


def drawn(pairs: PhotoPairs) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield both pictures of each pair, `(H, W, 3)` in [0, 1]."""
    for _ in pairs.build():
        pass
    for sample in read_dataset(pairs.out).samples():
        before, after = (sample[name] / 255 for name in (records.ORIGINAL_IMAGE, records.EDITED_IMAGE))
        yield before.astype(np.float32), after.astype(np.float32)


def _verdict(said: Shift, shift: Shift) -> str:
    if said == shift:
        return "exact"
    if said == (0, 0):
        return "not found"
    apart = max(abs(one - other) for one, other in zip(said, shift, strict=True))
    return "a pixel off" if apart == 1 else "wrong"


if __name__ == "__main__":
    main()
