"""A small job that was run to its end: written, rendered, filtered."""

import shutil
from pathlib import Path

import numpy as np

from dataset_builder import records
from dataset_builder.build_job import build_dataset, read_build_job
from evaluation.stats import decisions
from tests.dataset_builder.render_toys import open_toys

JOB = """
out = "job"
[write]
world = "pocket"
num = 9
[render]
sources = 2
samples_per_source = 2
triplets_per_shard = 4
model = "toy/model"
scorer = "toy/scorer"
jobs = 1
[filter]
preset = "none"
direction = {direction}
keep = 1
jobs = 1
"""


def filtered_job(root: Path) -> Path:
    """Run below `root` a job in which half the pairs fail the threshold of direction."""
    folder, asked = root / "job", root / "job.toml"
    for direction in (-1.0, None):
        if direction is None:
            lines = decisions(folder / "pairs")
            direction = float(np.median([line[records.SCORES]["direction"] for line in lines]))
            folder = root / "other"
            # What was rendered is: only the filter differs.
            shutil.copytree(root / "job", folder, ignore=shutil.ignore_patterns("pairs"))
        asked.write_text(JOB.format(direction=direction))
        list(build_dataset(read_build_job(asked, out=folder), open_tools=open_toys))
    return folder
