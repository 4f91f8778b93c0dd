#!/usr/bin/env python
"""Pairs per minute: our renderer against the straightforward loop, on equal words, noise, steps and weights.

The straightforward way is that of InstructPix2Pix's `generate_img_dataset.py` in diffusers' terms: one pair
at a time, its source drawn again for every p, a batch [u_o, u_e, c_o, c_e] through the UNet each step,
attention by explicit softmax with the source's self-attention copied over, both pictures decoded and saved as
PNG.

Both run here in turn, round after round with noise of its own. Without --two-cores each has one thread, and
what counts is the time of the processor, so that a busy machine disturbs neither much. With it, two processes
of ours run against one with torch's two threads, which is what the plain loop makes of two cores, by the
clock: for a machine that does nothing else.

    scripts/benchmark_pairs.py [--two-cores] [--triplets FILE] [--num 8] [--rounds 3] [--model pocket]
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from PIL import Image
from torch import Tensor

from dataset_builder.render.plan import RenderJob, planned_edits
from dataset_builder.render.render import render_pairs
from dataset_builder.render.tools import load_tools
from dataset_builder.render.triplets import TripletRow, read_triplets
from dataset_builder.write.job import WriteJob
from dataset_builder.write.writer import write_triplets
from editors import PromptEdit
from editors.model.diffusion_model import DiffusionModel
from editors.prompt_to_prompt.windows import window_steps
from editors.requests.settings import resolve

TOLERANCE = 3
"""Levels of 255 that the two ways may differ by: they sum in another order."""


class CopySelfAttention:
    """Explicit softmax; while `active`, rows 1 and 3 look where rows 0 and 2 look, in self-attention."""

    active = False

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Attend."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(layer(states))
            for layer, states in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        weights = attn.get_attention_scores(query, key, attention_mask)  # (4·heads, T, T)
        if encoder_hidden_states is None and self.active:
            rows = weights.view(4, attn.heads, *weights.shape[1:])
            weights = rows[[0, 0, 2, 2]].view_as(weights)
        states = attn.batch_to_head_dim(torch.bmm(weights, value))
        return attn.to_out[1](attn.to_out[0](states))


class Straightforward:
    """One pair at a time."""

    def __init__(self, model: DiffusionModel) -> None:
        self.model = model
        self.unet = copy.deepcopy(model.unet).to(memory_format=torch.contiguous_format)
        self.copying = CopySelfAttention()
        self.unet.set_attn_processor(self.copying)

    @torch.no_grad()
    def draw(self, edit: PromptEdit, folder: Path, name: str) -> tuple[Image.Image, Image.Image]:
        """Draw a pair and save it."""
        model, settings = self.model, resolve(edit, self.model).settings
        guidance = settings.guidance_scale
        text = torch.cat(
            [model.encode_prompt([prompt]) for prompt in ("", "", edit.original_prompt, edit.edited_prompt)]
        )
        side = model.native_size // model.vae_scale_factor
        noise = torch.randn(
            (1, model.latent_channels, side, side), generator=torch.Generator().manual_seed(edit.seed or 0)
        )
        latents = noise.expand(2, -1, -1, -1)
        scheduler = model.new_scheduler()
        scheduler.set_timesteps(settings.num_inference_steps)
        latents = latents * scheduler.init_noise_sigma
        shared = window_steps(settings.self_replace_steps, len(scheduler.timesteps))
        for index, timestep in enumerate(scheduler.timesteps):
            self.copying.active = index in shared
            rows = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
            output = self.unet(rows, timestep, encoder_hidden_states=text, return_dict=False)[0]
            unconditional, conditional = output.chunk(2)
            guided = unconditional + guidance * (conditional - unconditional)
            latents = scheduler.step(guided, timestep, latents).prev_sample
        decoded = model.decode(latents).permute(0, 2, 3, 1).numpy()
        pictures = [Image.fromarray((picture * 255).round().astype(np.uint8)) for picture in decoded]
        for part, picture in zip(("original", "edited"), pictures, strict=True):
            picture.save(folder / f"{name}-{part}.png")
        return pictures[0], pictures[1]


def by_the_processor(
    job: RenderJob, rows: list[TripletRow], way: Straightforward, number: int
) -> tuple[float, float]:
    """Return the pairs a minute of one core's time, of the two ways."""
    again, edits = new_noise(job, rows, way, number)
    began = time.process_time()
    for _ in render_pairs(again):
        pass
    between = time.process_time()
    draw_all(way, edits, job.out.parent)
    ended = time.process_time()
    return 60 * len(edits) / (between - began), 60 * len(edits) / (ended - between)


def by_the_clock(
    job: RenderJob, rows: list[TripletRow], way: Straightforward, number: int
) -> tuple[float, float]:
    """Return the pairs a minute on two cores: of two processes, and of one with torch's two threads.

    Ours are counted from the second shard on: until then the processes load their models.
    """
    again, edits = new_noise(job, rows, way, number)
    again = replace(again, executor="process", jobs=2, triplets_per_shard=max(1, len(rows) // 8))
    counted, marks = 0, list[float]()
    for report in render_pairs(again):
        counted += report.count if len(marks) > 1 else 0
        marks.append(time.perf_counter())
    began = time.perf_counter()
    torch.set_num_threads(2)
    draw_all(way, edits, job.out.parent)
    torch.set_num_threads(1)
    taken = time.perf_counter() - began
    return 60 * counted / (marks[-1] - marks[1]), 60 * len(edits) / taken


def new_noise(
    job: RenderJob, rows: list[TripletRow], way: Straightforward, number: int
) -> tuple[RenderJob, list[PromptEdit]]:
    """Return a job of another seed, and its edits: an original that was drawn before may be remembered."""
    again = replace(job, seed=number + 1, out=job.out.parent / f"round-{number}")
    return again, edits_of(again, rows, way.model)


def parity(way: Straightforward, editor: Any, edits: list[PromptEdit], folder: Path) -> int:
    """Return the largest difference of the pictures of the two ways, in levels."""
    worst = 0
    for edit, ours in zip(edits, editor.edit_many(edits), strict=True):
        theirs = way.draw(edit, folder, "parity")
        for one, other in zip((ours.original_image, ours.edited_image), theirs, strict=True):
            worst = max(worst, int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max()))
    return worst


def edits_of(job: RenderJob, rows: list[TripletRow], model: DiffusionModel) -> list[PromptEdit]:
    """Return all edits that a job draws, with the scales that the model recommends."""
    plans = [edit for row in rows for _, edit in planned_edits(job, row, 0)]
    return [resolve(edit, model).edit for edit in plans]


def draw_all(way: Straightforward, edits: list[PromptEdit], folder: Path) -> None:
    """Draw one pair after another."""
    for number, edit in enumerate(edits):
        way.draw(edit, folder, str(number))


def rows_of(options: argparse.Namespace, folder: Path) -> tuple[Path, list[TripletRow]]:
    """Return the triplets to draw: those asked for, or some of pocket's world."""
    path = options.triplets
    if path is None:
        path = folder / "triplets"
        for _ in write_triplets(WriteJob(out=path, num=2 * options.num, world="pocket")):
            pass
    rows = read_triplets(path)[: options.num]
    chosen = folder / "chosen.jsonl"
    chosen.write_text("".join(f"{json.dumps(row.to_json())}\n" for row in rows), encoding="utf-8")
    return chosen, rows


def main() -> int:
    """Run the benchmark and print one JSON object; exit code 1 if the two ways draw different pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--triplets", type=Path)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--scorer", default="none")
    for name, default in (
        ("num", 8),
        ("rounds", 3),
        ("steps", 20),
        ("samples-per-source", 8),
        ("batch-size", 4),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--two-cores", action="store_true", help="two processes against two threads, by the clock"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(passing)
        triplets, rows = rows_of(options, folder)
        job = RenderJob(
            triplets=triplets,
            out=folder / "warm",
            model=options.model,
            scorer=options.scorer,
            sources=1,
            samples_per_source=options.samples_per_source,
            num_inference_steps=options.steps,
            batch_size=options.batch_size,
            triplets_per_shard=len(rows),
            executor="serial",
            device="cpu",
        )
        tools = load_tools(job)
        editor: Any = tools.editor
        way = Straightforward(editor.model)
        apart = parity(way, editor, edits_of(job, rows[:1], editor.model), folder)
        measure = by_the_clock if options.two_cores else by_the_processor
        rounds = [measure(job, rows, way, number) for number in range(options.rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [fast / slow for fast, slow in rounds]
    report = {
        "rates": "pairs a minute on two cores" if options.two_cores else "pairs a minute of one core",
        "pairs": len(rows) * options.samples_per_source,
        "steps": options.steps,
        "largest_difference_in_levels": apart,
        "ours": round(ours, 1),
        "straightforward": round(theirs, 1),
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_of_each_round": [round(ratio, 2) for ratio in ratios],
    }
    print(json.dumps(report, indent=1))
    return int(apart > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
