#!/usr/bin/env python
"""How well a picture is extended: held-out scenes lose both sides, which are drawn again.

    scripts/measure_outpainting.py --num 40        # about four minutes

Of each scene the middle three quarters stay. Told of what is drawn beside them: PSNR against what the scene
had there, in dB, and the step at the seam, the mean difference of colours across it as a multiple of the
scene's own; both with their 95 % interval. Two ways that know no pictures stand beside it: the picture
mirrored, and its outermost column drawn out.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.scenes import WORLDS, caption, render_scene, sample_scene
from editors import OutpaintEdit, RePaintEditor
from evaluation.figures import interval, psnr

FIRST_SEED = 60_000
Pixels = NDArray[np.uint8]


def scenes(world: str, num: int, size: int) -> Iterator[tuple[Pixels, str]]:
    """Draw scenes, each with its caption."""
    for seed in range(FIRST_SEED, FIRST_SEED + num):
        scene = sample_scene(seed, world=WORLDS[world], split="held_out")
        yield render_scene(scene, size).image, caption(scene)


def step(picture: Pixels, margin: int) -> float:
    """Return the mean difference of colours across both seams."""
    columns = picture.astype(np.float64)
    pairs = ((margin - 1, margin), (-margin - 1, -margin))
    return float(np.mean([np.abs(columns[:, a] - columns[:, b]).mean() for a, b in pairs]))


def main() -> None:
    """Measure, and print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--world", default="pocket", choices=sorted(WORLDS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="pocket")
    options = parser.parse_args()
    editor = RePaintEditor.from_pretrained(options.model)
    margin = options.size // 8
    asked = list(scenes(options.world, options.num, options.size))
    kept = [truth[:, margin:-margin] for truth, _ in asked]
    around = ((0, 0), (margin, margin), (0, 0))
    rows = {
        "mirrored": [np.pad(one, around, mode="symmetric") for one in kept],
        "drawn out": [np.pad(one, around, mode="edge") for one in kept],
    }
    guided = editor.recommended.guidance_scale
    for name, with_words, changes in (
        ("as it is", True, {}),
        ("without words", False, {}),
        ("each step once", True, {"num_resamples": 1}),
        ("ten times", True, {"num_resamples": 10}),
        (f"guidance {guided:g}", True, {"guidance_scale": guided}),
    ):
        requests = [
            OutpaintEdit(
                original_image=Image.fromarray(picture),
                prompt=words if with_words else "",
                left=margin,
                right=margin,
                seed=seed,
                **changes,
            )
            for seed, (picture, (_, words)) in enumerate(zip(kept, asked, strict=True))
        ]
        rows[name] = [np.asarray(result.edited_image) for result in editor.edit_many(requests)]
    for name, pictures in rows.items():
        beside = np.r_[:margin, options.size - margin : options.size]
        near = interval(
            [psnr(one[:, beside], truth[:, beside]) for one, (truth, _) in zip(pictures, asked, strict=True)]
        )
        seam = interval(
            [step(one, margin) / step(truth, margin) for one, (truth, _) in zip(pictures, asked, strict=True)]
        )
        print(
            f"{name:16} {near.mean:.1f} [{near.low:.1f}, {near.high:.1f}] dB   "
            f"step {seam.mean:.2f} [{seam.low:.2f}, {seam.high:.2f}]"
        )


if __name__ == "__main__":
    main()
