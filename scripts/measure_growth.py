#!/usr/bin/env python
"""Show how time and memory grow with the work: time should be linear in it, and memory flat.

    scripts/measure_growth.py photos    # 64 photographs edited in one process
    scripts/measure_growth.py edits     # 200 edits of one photograph
    scripts/measure_growth.py rows      # stages of a dataset job at 2,000, 20,000 and 200,000 pairs

Each line is one amount of work. For `photos` and `edits` the lines are of one process: seconds a piece since
the line before, and the memory that the process holds at that moment. For `rows` each line is a process of
its own, and the memory is the most that it ever held: beside it stands the same stage with a tenth of the
pairs.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataset_builder.shards.shards import Sample

ROWS = (2_000, 20_000, 200_000)
PER_TRIPLET = 10
SIDE = 32
MEBI = 2**20
BASIS = "start"
"""The stage that does nothing: what Python and the imports take."""


def resident() -> float:
    """Return the memory that this process holds now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBI


def table(work: Iterator[object], every: int, unit: str) -> None:
    """Do the work piece by piece and print a line for each `every` of them."""
    print(f"| {unit} | s each | MiB |\n|---|---|---|")
    began = time.perf_counter()
    for number, _ in enumerate(work, 1):
        if number % every == 0:
            now = time.perf_counter()
            print(f"| {number} | {(now - began) / every:.2f} | {resident():.0f} |", flush=True)
            began = now


def photos(num: int) -> Iterator[object]:
    """Edit photographs that are all different, each at its own size."""
    import numpy as np
    from PIL import Image

    from editors import InstructionEdit, InstructPix2PixEditor

    editor = InstructPix2PixEditor.from_pretrained("pocket")
    for number in range(num):
        draws = np.random.default_rng(number)
        small = Image.fromarray(draws.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        photo = small.resize((600 + 8 * number, 450 + 4 * number), Image.Resampling.BICUBIC)
        yield editor.edit(InstructionEdit(original_image=photo, edit_prompt="make it night", seed=number))


def edits(num: int) -> Iterator[object]:
    """Edit one photograph again and again, with words and a seed of their own each time."""
    from PIL import Image

    from editors import InstructionEdit, InstructPix2PixEditor

    editor = InstructPix2PixEditor.from_pretrained("pocket")
    photo = Image.radial_gradient("L").resize((640, 480)).convert("RGB")
    words = ("make it night", "add snow", "a pencil sketch", "make it autumn")
    for number in range(num):
        said = f"{words[number % len(words)]}, {number}"
        yield editor.edit(InstructionEdit(original_image=photo, edit_prompt=said, seed=number))


def pair(number: int) -> "Sample":
    """Return a pair as rendering leaves it: two pictures, the words, the scores."""
    import numpy as np

    from dataset_builder import records
    from dataset_builder.render.scores import SCORES
    from dataset_builder.shards.shards import Sample, png_bytes
    from dataset_builder.shards.storage import canonical_json

    draws = np.random.default_rng(number)
    looks = [png_bytes(draws.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(2)]
    told = {
        records.ORIGINAL_PROMPT: f"a house number {number // PER_TRIPLET}",
        records.EDIT_PROMPT: f"make it {number % PER_TRIPLET}",
        records.EDITED_PROMPT: f"a house number {number // PER_TRIPLET}, {number % PER_TRIPLET}",
        records.TRIPLET: f"{number // PER_TRIPLET:09d}",
        records.KIND: ("colour", "hour", "weather")[number % 3],
        records.SEED: number,
        records.SELF_REPLACE_STEPS: round(float(draws.uniform(0.1, 0.9)), 3),
        records.SCORES: dict(zip(SCORES, map(float, draws.uniform(0, 1, len(SCORES)).round(4)), strict=True)),
    }
    parts = {
        f"{records.ORIGINAL_IMAGE}.png": looks[0],
        f"{records.EDITED_IMAGE}.png": looks[1],
        "json": canonical_json(told).encode(),
    }
    return Sample(key=f"{number:09d}", parts=parts)


def build(folder: Path, num: int) -> None:
    """Write shards of such pairs."""
    from dataset_builder.shards.build import build_shards

    config = {"kind": "rendered", "num": num, "samples_per_triplet": 1, "scorer": "drawn"}
    list(build_shards(folder / "rendered", config=config, draw=pair, num=num, samples_per_shard=1000))


def read(folder: Path, num: int) -> None:
    """Read every column, pictures decoded."""
    from dataset_builder.shards.dataset import read_dataset

    assert sum(1 for _ in read_dataset(folder / "rendered").samples()) == num


def filtered(folder: Path, num: int) -> None:
    """Decide about every pair, and copy those that are kept."""
    from dataset_builder.render.filter_pairs import FilterJob, filter_pairs

    job = FilterJob(rendered=folder / "rendered", out=folder / "pairs", preset="none", direction=0.5, jobs=1)
    assert 0 < sum(report.count for report in filter_pairs(job)) < num


def stats(folder: Path, num: int) -> None:
    """Count what became of every pair, and draw it."""
    from evaluation.stats import pair_stats, stats_plot

    assert pair_stats(folder / "pairs").funnel["rendered"] == num
    stats_plot(folder / "pairs")


def cache(folder: Path, num: int) -> None:
    """Look at every pair and encode it for training, with pocket's autoencoder."""
    from editors import InstructPix2PixEditor
    from trainer.data.pairs import PairLatents, read_pairs

    vae = InstructPix2PixEditor.from_pretrained("pocket").model.vae
    pairs = read_pairs(folder / "rendered", folder / "cache")
    PairLatents(
        vae,
        pairs,
        seed=0,
        resolution=SIDE,
        step=8,
        max_aspect=1.0,
        crops=1,
        flips=False,
        cache=folder / "cache",
    )
    assert len(pairs) == num


STAGES: dict[str, Callable[[Path, int], None]] = {
    BASIS: lambda folder, num: None,
    "build": build,
    "read": read,
    "filter": filtered,
    "stats": stats,
    "cache": cache,
}


def stage(name: str, folder: Path, num: int) -> None:
    """Do one stage in this process, and print its seconds and the most memory that it held."""
    began = time.perf_counter()
    STAGES[name](folder, num)
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mebi": most}))


def rows(sizes: tuple[int, ...], stages: tuple[str, ...]) -> None:
    """Do stages at every size, each in a process of its own."""
    print("| stage | pairs | s | ms a pair | MiB at most |\n|---|---|---|---|---|")
    for num in sizes:
        with tempfile.TemporaryDirectory(prefix="wordbrush-growth-") as folder:
            for name in stages:
                command = [sys.executable, __file__, "stage", name, folder, str(num)]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found = json.loads(said.splitlines()[-1])
                print(
                    f"| {name} | {num:,} | {found['seconds']:.1f} | {1000 * found['seconds'] / num:.2f} |"
                    f" {found['mebi']:.0f} |",
                    flush=True,
                )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, num in (("photos", 64), ("edits", 200)):
        kinds.add_parser(kind).add_argument("--num", type=int, default=num)
    dataset = kinds.add_parser("rows")
    dataset.add_argument("--sizes", type=int, nargs="+", default=ROWS)
    dataset.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES, help="in their order")
    one = kinds.add_parser("stage")
    one.add_argument("name", choices=STAGES)
    one.add_argument("folder", type=Path)
    one.add_argument("num", type=int)
    asked = parser.parse_args()
    if asked.kind == "rows":
        rows(tuple(asked.sizes), tuple(asked.stages))
    elif asked.kind == "stage":
        stage(asked.name, asked.folder, asked.num)
    else:
        work = partial(photos if asked.kind == "photos" else edits, asked.num)
        table(work(), max(1, asked.num // 8), asked.kind)


if __name__ == "__main__":
    main()
