#!/usr/bin/env python
"""Time instruction edits beside diffusers' own pipeline, on the same weights, in one process.

    scripts/benchmark_edit.py                                    # pocket
    scripts/benchmark_edit.py --model sd15 --side 256 --steps 4  # random weights of Stable Diffusion's size
    scripts/benchmark_edit.py --report benchmarks.md             # writes the table, too

The baseline is StableDiffusionInstructPix2PixPipeline in float32, eager. Beside it stand our editor in
float32, with `dtype="auto"`, and with that and steps forecast, at scales where three, two and one of the
predictions have a weight. Ways are interleaved, the first round is not counted, and ratios are medians over
the rounds, so that a busy machine slows all alike; with `--busy` another process keeps a core busy. A picture
is compared with the baseline's of the same seed. The speed is that of the network's multiplications and
additions, over the whole edit, beside the best that a product of large matrices in the same format reaches on
this machine. The command has waiting threads sleep (OMP_WAIT_POLICY=PASSIVE), which costs on an idle machine
and pays on a busy one: say so here, too, to see what it sees.
"""

import argparse
import copy
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from dataset_builder.scenes import WORLDS, render_scene, sample_scene
from editors import InstructionEdit, InstructPix2PixEditor
from editors.model.arithmetic import processor
from editors.model.devices import choose_device, placed
from editors.model.loading.load import load
from evaluation.figures import psnr

WORDS, SEED = "make it night", 7
SCALES = {3: (1.5, 7.5), 2: (1.0, 7.5), 1: (1.0, 1.0)}
"""Rows that have a weight -> (s_I, s_T)."""
WINDOW = 3
"""Of the steps, where some are forecast."""
BASELINE = "diffusers, float32"


@dataclass
class Way:
    """One way of making the same edit, as it was measured.

    Attributes:
        name: What it is called.
        dtype: Number format of its network.
        run: Makes the edit; returns the picture and how many rows were evaluated.
        seconds: Of each counted round.
        picture: The last one.
        rows: Evaluated for it.
    """

    name: str
    dtype: torch.dtype
    run: Callable[[], tuple[Image.Image, int]]
    seconds: list[float] = field(default_factory=list)
    picture: Image.Image | None = None
    rows: int = 0


def pipeline(name: str, side: int, device: torch.device) -> Any:
    """Return diffusers' pipeline of a model: pocket, a folder, or `sd15`, whose weights are random."""
    model = load("pocket" if name == "sd15" else name, kind="edit", device=device, dtype=torch.float32)
    names = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    pipe = StableDiffusionInstructPix2PixPipeline(
        **{part: getattr(model, part) for part in names},
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    if name == "sd15":
        torch.manual_seed(0)
        width = pipe.text_encoder.config.hidden_size
        unet = UNet2DConditionModel(
            sample_size=64, in_channels=8, cross_attention_dim=width, attention_head_dim=8
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=side,
        )
        pipe.register_modules(unet=unet.eval(), vae=vae.eval())
        pipe.vae_scale_factor = 8
        pipe.image_processor = VaeImageProcessor(vae_scale_factor=8)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def ways_of(pipe: Any, picture: Image.Image, scales: tuple[float, float], steps: int) -> list[Way]:
    """Return the ways of making one edit."""
    image_scale, scale = scales

    def theirs() -> tuple[Image.Image, int]:
        made = pipe(
            prompt=WORDS,
            image=picture,
            num_inference_steps=steps,
            image_guidance_scale=image_scale,
            guidance_scale=scale,
            generator=torch.Generator("cpu").manual_seed(SEED),
        )
        guided = scale > 1 and image_scale >= 1
        return made.images[0], steps * (3 if guided else 1)

    edit = InstructionEdit(
        original_image=picture,
        edit_prompt=WORDS,
        image_guidance_scale=image_scale,
        guidance_scale=scale,
        num_inference_steps=steps,
        seed=SEED,
        full_size="resize",
        resolution=picture.width,
    )
    plain = InstructPix2PixEditor.from_pipeline(pipe)
    fast = InstructPix2PixEditor.from_pipeline(copy.deepcopy(pipe))
    placed(fast.model, plain.model.device, "auto")

    def ours(editor: InstructPix2PixEditor, forecast: int = 1) -> Callable[[], tuple[Image.Image, int]]:
        asked = replace(edit, forecast=forecast)

        def run() -> tuple[Image.Image, int]:
            result = editor.edit(asked)
            return result.edited_image, result.num_unet_rows

        return run

    auto = f"ours, auto: {fast.model.dtype_name}{_layout(fast.model.unet)}"
    return [
        Way(BASELINE, torch.float32, theirs),
        Way("ours, float32", torch.float32, ours(plain)),
        Way(auto, fast.model.dtype, ours(fast)),
        Way(f"{auto}, forecast {WINDOW}", fast.model.dtype, ours(fast, WINDOW)),
    ]


def _layout(network: torch.nn.Module) -> str:
    kernels = (one for one in network.parameters() if one.ndim == 4 and one.shape[-1] == 3)
    last = next(kernels).is_contiguous(memory_format=torch.channels_last)
    return ", channels last" if last else ""


def measure(ways: list[Way], rounds: int, device: torch.device) -> None:
    """Make the edits in turn, once to warm up and then `rounds` times."""
    for number in range(rounds + 1):
        for way in ways:
            began = time.perf_counter()
            way.picture, way.rows = way.run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number:
                way.seconds.append(time.perf_counter() - began)


def flops_of_a_row(pipe: Any, side: int) -> int:
    """Return the multiplications and additions of one row of the network."""
    network, latents = pipe.unet, side // pipe.vae_scale_factor
    told = torch.zeros(1, 32, network.config.cross_attention_dim, device=network.device)
    rows = torch.zeros(1, network.config.in_channels, latents, latents, device=network.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(rows, 500, encoder_hidden_states=told)
    return int(counter.get_total_flops())


def peak(dtype: torch.dtype, device: torch.device, size: int = 2048) -> float:
    """Return the operations a second of the best of a few products of large matrices."""
    left = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        (left @ left).sum().item()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


@contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    """Keep a core busy during a block, if wanted."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def table(ways: dict[int, list[Way]], flops: int, peaks: dict[torch.dtype, float]) -> Iterator[str]:
    """Write the figures as lines of Markdown."""
    heads = ("rows with a weight", "way", "evaluated", "seconds", "times diffusers", "PSNR, dB", "GFLOP/s")
    yield f"| {' | '.join(heads)} | of peak |"
    yield f"|{'---|' * (len(heads) + 1)}"
    for weighed, some in ways.items():
        base = some[0]
        assert base.picture is not None
        for way in some:
            assert way.picture is not None
            seconds = statistics.median(way.seconds)
            times = statistics.median(b / own for b, own in zip(base.seconds, way.seconds, strict=True))
            near = psnr(np.asarray(way.picture), np.asarray(base.picture))
            speed = way.rows * flops / seconds
            psnr_of = "–" if way is base else f"{near:.1f}"
            cells = (weighed, way.name, way.rows, f"{seconds:.2f}", f"{times:.2f}", psnr_of)
            share = f"{speed / 1e9:.0f} | {speed / peaks[way.dtype]:.0%}"
            yield f"| {' | '.join(map(str, cells))} | {share} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="pocket", help="pocket, sd15 (random weights), or a folder")
    parser.add_argument("--side", type=int, default=128, help="of the picture, in pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SCALES), choices=list(SCALES))
    parser.add_argument("--device", default=None)
    parser.add_argument("--busy", action="store_true", help="beside a process that keeps a core busy")
    parser.add_argument("--report", type=Path, help="file to write the table to")
    asked = parser.parse_args()
    device = choose_device(asked.device)
    scene = sample_scene(SEED, world=WORLDS["pocket"], split="held_out")
    picture = Image.fromarray(render_scene(scene, asked.side).image)
    pipe = pipeline(asked.model, asked.side, device)
    measured: dict[int, list[Way]] = {}
    with busy_core(asked.busy):
        for rows in asked.rows:
            measured[rows] = ways_of(pipe, picture, SCALES[rows], asked.steps)
            measure(measured[rows], asked.rounds, device)
    formats = {way.dtype for some in measured.values() for way in some}
    lines = [
        f"{asked.model}, {asked.side} × {asked.side}, {asked.steps} steps, median of {asked.rounds} rounds"
        f"{', beside a busy core' if asked.busy else ''}; {_machine(device)}, torch {torch.__version__}.",
        "",
        *table(measured, flops_of_a_row(pipe, asked.side), {one: peak(one, device) for one in formats}),
    ]
    print("\n".join(lines))
    if asked.report:
        asked.report.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    waiting = os.environ.get("OMP_WAIT_POLICY", "not set")
    return f"{processor()}, {torch.get_num_threads()} threads, OMP_WAIT_POLICY {waiting}"


if __name__ == "__main__":
    main()
