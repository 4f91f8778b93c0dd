#!/usr/bin/env python
"""Time Prompt-to-Prompt beside the published way of doing it, on the same weights, in one process.

The baseline restates the authors' code (and diffusers' community pipeline, which follows it) from the paper:
one batch [u_o, u_e, c_o, c_e], every attention map built and edited as a matrix, the original drawn again for
every edit, and the maps of 32x32 and coarser stored and summed for local blend, whether it is used or not.

    scripts/benchmark_p2p.py                           # pocket
    scripts/benchmark_p2p.py --model sd15 --steps 4    # random weights of Stable Diffusion 1.5's size

Rows are interleaved; ratios are medians over the rounds, of wall time. Memory is the peak of the process's
resident set during one edit, over what it was before, or the device's peak on CUDA.
"""

import argparse
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editors.diffusion import denoise, noise
from editors.guidance import cfg
from editors.model.attention import install
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import load
from editors.model.tokens import TokenizedPrompt
from editors.prompt_to_prompt.alignment import replacement_mapper
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.prompt_to_prompt.windows import window_alphas, window_steps
from editors.requests.edits import PromptEdit
from editors.requests.settings import resolve
from editors.running import run_to_end

ORIGINAL, EDITED, AGAIN = "a cat in the snow", "a dog in the snow", "a bird in the snow"
STORED_CELLS = 32 * 32


class ExplicitMaps:
    """The authors' controller: replace in cross-attention, inject in self-attention, store what is small."""

    def __init__(self, mapper: Tensor, alphas: Tensor, self_steps: range, limit: int) -> None:
        self.mapper, self.alphas, self.self_steps, self.limit = mapper, alphas, self_steps, limit
        self.step = 0
        self.store: dict[str, Tensor] = defaultdict(lambda: torch.zeros(()))

    def __call__(self, maps: Tensor, name: str, *, is_cross: bool) -> Tensor:
        """Edit the maps of the conditional half, (2, heads, P, K)."""
        original, edited = maps
        if is_cross:
            taken, alpha = torch.einsum("hpw,wn->hpn", original, self.mapper), self.alphas[self.step]
            edited = taken * alpha + edited * (1 - alpha)
        elif self.step in self.self_steps and original.shape[1] <= self.limit:
            edited = original
        maps = torch.stack((original, edited))
        if maps.shape[2] <= STORED_CELLS:
            self.store[name] = self.store[name] + maps
        return maps


class ExplicitProcessor:
    """An attention processor that builds every map."""

    def __init__(self, name: str, controller: ExplicitMaps) -> None:
        self.name, self.controller = name, controller

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            tensor.unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for tensor in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        maps = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1)
        half = len(maps) // 2
        edited = self.controller(maps[half:], self.name, is_cross=encoder_hidden_states is not None)
        out = torch.cat((maps[:half], edited)) @ value
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


@torch.no_grad()
def published(model: DiffusionModel, edit: PromptEdit) -> tuple[Tensor, int]:
    """Edit as published, pictures and all; return the latents of both rows and the UNet rows spent."""
    original, edited = (
        TokenizedPrompt.of(text, model.tokenizer, num_tokens=model.text.max_tokens)
        for text in (edit.original_prompt, edit.edited_prompt)
    )
    settings = resolve(edit, model).settings
    scale, steps = settings.guidance_scale, settings.num_inference_steps
    side = model.native_size // model.vae_scale_factor
    controller = ExplicitMaps(
        replacement_mapper(original, edited).to(model.device, model.dtype),
        window_alphas(settings.cross_replace_steps, edited, steps).to(model.device, model.dtype),
        window_steps(settings.self_replace_steps, steps),
        (side // 2) ** 2,
    )
    mine = model.network.module.attn_processors
    model.unet.set_attn_processor({name: ExplicitProcessor(name, controller) for name in mine})
    pixels = (model.native_size, model.native_size)
    empty = model.unconditional(size=pixels).states
    words = [
        model.condition([text], size=pixels).states for text in (edit.original_prompt, edit.edited_prompt)
    ]
    text = torch.cat((empty, empty, *words))
    rows = 0

    def predict(latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        nonlocal rows
        controller.step = index
        rows += 4
        both = torch.cat((latents, latents)).to(model.dtype)
        output = model.unet(both, timestep, encoder_hidden_states=text, return_dict=False)[0].float()
        unconditional, conditional = output.chunk(2)
        return cfg(unconditional, conditional, scale)

    try:
        start, generators = noise([edit.seed or 0] * 2, (model.latent_channels, side, side), model.device)
        latents = run_to_end(
            denoise(
                predict,
                scheduler=model.new_scheduler(),
                latents=start,
                num_inference_steps=steps,
                generators=generators,
            )
        )
    finally:
        model.unet.set_attn_processor(mine)
    model.decode(latents)
    return latents, rows


@dataclass
class Row:
    """One way of doing a thing, as it was measured."""

    name: str
    rows: int
    seconds: list[float]
    peak: int


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int]]:
    """Watch memory during a block; the function given back says the peak, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield lambda: torch.cuda.max_memory_allocated() - before
        return
    stop, seen, before = threading.Event(), [0], _resident()

    def watch() -> None:
        while not stop.is_set():
            seen[0] = max(seen[0], _resident() - before)
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: seen[0]
    finally:
        stop.set()
        thread.join()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def random_sd15(device: str | None) -> DiffusionModel:
    """Build Stable Diffusion 1.5's UNet with random weights, and beside it the smallest parts that fit."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    pocket = load("pocket", kind="base", device=device)
    width = pocket.unet.config.cross_attention_dim
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=width, attention_head_dim=8).eval()
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    ).eval()
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
    )
    return replace(
        pocket,
        unet=unet.to(pocket.device, pocket.dtype),
        vae=vae.to(pocket.device),
        scheduler=scheduler,
        name="random weights of Stable Diffusion 1.5's size",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--model", default="pocket", help="pocket, sd15 (random weights), a folder or a Hub id"
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default=None)
    return parser.parse_args()


def _model(name: str, device: str | None) -> DiffusionModel:
    """Load the model that is measured, with the scheduler of the published code."""
    model = random_sd15(device) if name == "sd15" else load(name, kind="base", device=device)
    return model if type(model.scheduler).__name__ == "DDIMScheduler" else model.with_scheduler("ddim")


def main() -> None:
    """Measure and print."""
    args = _arguments()
    model = _model(args.model, args.device)
    install(model.network.module)
    first = PromptEdit(
        original_prompt=ORIGINAL,
        edited_prompt=EDITED,
        num_inference_steps=args.steps,
        seed=7,
        guidance_scale=7.5,
        cross_replace_steps=0.8,
        self_replace_steps=0.8,
    )
    second = replace(first, edited_prompt=AGAIN)
    slid = replace(first, self_replace_steps=0.6)

    editor = PromptToPromptEditor(model)
    theirs, _ = published(model, first)
    *_, ours = editor.stream(first)
    apart = float((theirs - ours.latents).abs().max() / theirs.abs().max())
    print(
        f"{model.name}: {args.steps} steps, {model.dtype}, {model.device}, {torch.get_num_threads()} threads"
    )
    print(f"Both ways agree to {apart:.1e} of the largest latent.\n")

    def re_edit() -> int:
        editor.memory.clear()
        editor.edit(first)
        return 0

    ways: dict[str, tuple[Callable[[], object], Callable[[], int]]] = {
        "published: any edit": (lambda: None, lambda: published(model, second)[1]),
        "first edit": (editor.memory.clear, lambda: editor.edit(first).num_unet_rows),
        "re-edit of a shown original": (re_edit, lambda: editor.edit(second).num_unet_rows),
        "self_replace_steps 0.8 to 0.6": (re_edit, lambda: editor.edit(slid).num_unet_rows),
    }
    measured = {name: Row(name, 0, [], 0) for name in ways}
    for _ in range(args.rounds):
        for name, (prepare, run) in ways.items():
            prepare()
            row = measured[name]
            with peak_memory(model.device) as peak:
                began = time.perf_counter()
                row.rows = run()
                row.seconds.append(time.perf_counter() - began)
            row.peak = max(row.peak, peak())
    base = measured["published: any edit"]
    print(f"{'':32}{'evaluations':>12}{'seconds':>10}{'times':>8}{'peak MiB':>10}")
    for row in measured.values():
        ratio = statistics.median(b / own for b, own in zip(base.seconds, row.seconds, strict=True))
        print(
            f"{row.name:32}{row.rows:12}{statistics.median(row.seconds):10.2f}{ratio:8.2f}"
            f"{row.peak / 2**20:10.1f}"
        )
    kept, most = (number / 2**20 for number in (editor.memory.nbytes, editor.memory.budget))
    print(f"\nKept for further edits: {kept:.1f} MiB of at most {most:.0f}.")


if __name__ == "__main__":
    main()
