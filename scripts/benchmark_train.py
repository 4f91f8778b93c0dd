#!/usr/bin/env python
"""Images per second of training, as `wordbrush train` computes a step against the plain way, in one run.

The plain way is float32 with fused attention, diffusers' default. Beside it stand the four combinations of
number type and attention kernel, for the latents of pictures of 64, 128 and 256 pixels; the last column says
which of them training chooses here by itself (`runs.arithmetic`). Every round takes one step of each way
in turn, so that a busy machine slows all alike; the fastest round counts.

    scripts/benchmark_train.py [--model pocket] [--batch-size 32] [--rounds 5] [--sides 8 16 32] [--compile]

`--python` times what surrounds the network instead: how many samples a second one core prepares for a device
that is never kept waiting (which rows, their latents and text states out of the cache, the launch of their
draws), and the draws themselves where the CPU is the device; beside them what earlier versions did, a
generator for each sample.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from editors.model.loading.load import load
from trainer.data.draws import Rows, Schedule
from trainer.data.philox import philox
from trainer.data.tables import Table
from trainer.runs.arithmetic import attention_processor, compiled, computes_bf16

CPU = torch.device("cpu")
PLAIN = ("float32", "fused")


def ways(unet: Any, *, with_compile: bool) -> dict[tuple[str, ...], Callable[..., Any]]:
    """Return each way's forward pass by its name."""

    def forward(processor: Any, half: bool, model: Any) -> Callable[..., Any]:
        def run(*told: Any) -> Any:
            unet.set_attn_processor(processor)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                return model(*told).sample

        return run

    found: dict[tuple[str, ...], Callable[..., Any]] = {}
    for kernel, processor in (("fused", AttnProcessor2_0()), ("explicit", AttnProcessor())):
        for number, half in (("float32", False), ("bf16", True)):
            found[number, kernel] = forward(processor, half, unet)
    if with_compile:
        found["bf16", "explicit", "compiled"] = forward(AttnProcessor(), True, compiled(unet))
    return found


def measure(unet: Any, side: int, batch_size: int, rounds: int, *, with_compile: bool) -> dict[str, Any]:
    """Return images a second of every way at one side of the latents, and which one training takes."""
    rows = torch.Generator().manual_seed(0)
    channels, width = unet.config.in_channels, unet.config.cross_attention_dim
    latents = torch.randn(batch_size, channels, side, side, generator=rows)
    text = torch.randn(batch_size, 32, width, generator=rows)
    timesteps = torch.randint(1000, (batch_size,), generator=rows)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5, fused=True)
    seconds: dict[tuple[str, ...], list[float]] = {}
    forwards = ways(unet, with_compile=with_compile)
    for number in range(rounds + 1):  # the first one warms up
        for way, forward in forwards.items():
            began = time.perf_counter()
            forward(latents, timesteps, text).float().square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            if number:
                seconds.setdefault(way, []).append(time.perf_counter() - began)
    speeds = {way: batch_size / min(taken) for way, taken in seconds.items()}
    kernel = "explicit" if type(attention_processor(CPU, side**2)) is AttnProcessor else "fused"
    chosen = ("bf16" if computes_bf16(CPU) else "float32", kernel)
    return {
        "side": side,
        "images_per_second": {" ".join(way): round(speed, 1) for way, speed in speeds.items()},
        "median_over_fastest": round(
            statistics.median(statistics.median(taken) / min(taken) for taken in seconds.values()), 2
        ),
        "chosen": " ".join(chosen),
        "times_the_plain_way": round(speeds[chosen] / speeds[PLAIN], 2),
    }


def python_side(batch_size: int, rounds: int, side: int = 16) -> dict[str, Any]:
    """Return samples a second of what surrounds the network, at latents of (32, side, side)."""
    shape, num = (32, side, side), 4096
    random = np.random.default_rng(0)
    latents = Table(random.standard_normal((num, 3, *shape), np.float32).astype(np.float16))
    text = Table(random.standard_normal((256, 32, 384), np.float32).astype(np.float16))
    whole = latents.array.astype(np.float32)
    schedule, held = Schedule(0, num), Table(latents.array)
    held.hold()

    def prepared(table: Table) -> Callable[[range], Any]:
        def prepare(positions: range) -> Any:
            indices, host = schedule.indices(positions), Rows(0, positions)
            return host.uniform("flip", "crop", "wording"), table.pick(indices), text.pick(indices % 256)

        return prepare

    def drawn(positions: range) -> Any:
        rows = Rows(0, positions)
        noise = (rows.normal(purpose, shape) for purpose in ("noise", "posterior"))
        return rows.uniform("conditions"), rows.timesteps(1000), *noise

    def launched(positions: range) -> Any:
        # A device is sent as many calls for a batch as for a few numbers: these cost next to nothing besides.
        counter = torch.zeros(4, dtype=torch.int64)
        for _ in range(4):
            philox((0, 0), (counter, counter, counter, counter))

    def generators(positions: range) -> Any:
        rows = [torch.Generator().manual_seed(position) for position in positions]
        numbers = [[torch.rand(1, generator=row) for row in rows] for _ in range(4)]
        noise = [torch.stack([torch.randn(shape, generator=row) for row in rows]) for _ in range(2)]
        return numbers, noise

    ways = {
        "prepared from a cache in memory": prepared(latents),
        "prepared where a device holds the cache": prepared(held),
        "draws sent to another device": launched,
        "draws on this core": drawn,
        "earlier: rows of float32": lambda positions: torch.from_numpy(whole[schedule.indices(positions)]),
        "earlier: a generator for each sample": generators,
    }
    seconds: dict[str, list[float]] = {}
    for number in range(rounds + 1):  # the first one warms up
        for name, way in ways.items():
            began = time.perf_counter()
            for start in range(0, 4 * batch_size, batch_size):
                way(range(start, start + batch_size))
            if number:
                seconds.setdefault(name, []).append(time.perf_counter() - began)
    return {name: round(4 * batch_size / min(taken)) for name, taken in seconds.items()}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32], help="Of the latents.")
    parser.add_argument("--compile", action="store_true", help="Compile as well: minutes more for each side.")
    parser.add_argument("--python", action="store_true", help="Time what surrounds the network.")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if given.python:
        print(json.dumps(python_side(given.batch_size, given.rounds), indent=1))
        return
    unet = load(given.model, kind="edit", device="cpu", dtype=torch.float32).unet
    unet.requires_grad_(True).train()
    for side in given.sides:
        rows = max(1, given.batch_size * 64 // side**2) if side > 8 else given.batch_size
        found = measure(unet, side, rows, given.rounds, with_compile=given.compile)
        print(json.dumps({"batch_size": rows, **found}), flush=True)


if __name__ == "__main__":
    main()
