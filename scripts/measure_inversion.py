#!/usr/bin/env python
"""How closely each inversion redraws held-out scenes, and how closely their edits come to the exact ones.

    scripts/measure_inversion.py --num 50        # minutes on a free core; null-text takes most of them
    scripts/measure_inversion.py edits --num 48 --steps 12 --guidance-scale 2

The first is at guidance 1 and 7.5, and under a wrong caption. Per method and guidance: PSNR of the redrawn
picture against the scene (the autoencoder's round trip is what can be had at best), and the root mean square
error of its latents. `direct` holds the original on its path, so its error is zero by construction; what an
edit reports for it is where the prompt would have led to first order, which costs no evaluation and is
printed too.

`edits` asks for an exact edit of each scene by both captions: PSNR to the exact target, share of the edits
that are nearer to it than the scene, PSNR of what should stay, and rows of the network.
"""

import argparse
import math
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from itertools import count

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dataset_builder.scenes import (
    EDIT_KINDS,
    WORLDS,
    Scene,
    SceneEdit,
    caption,
    make_edit,
    render_edit,
    render_scene,
    sample_scene,
)
from editors.diffusion import denoise
from editors.guidance import cfg
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.model.photo import Photo, encode
from editors.prompt_to_prompt.editor import PromptToPromptEditor
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.prompt_to_prompt.inversion.trajectory import ResidualSteps, Trajectory
from editors.requests.edits import INVERSIONS, Inversion, PromptEdit
from editors.running import run_to_end
from evaluation.figures import psnr


@torch.no_grad()
def redrawn(model: DiffusionModel, path: Trajectory, prompt: str, scale: float, steps: int) -> Tensor:
    """Draw a picture again from its inverted noise, (C, h, w)."""
    if path.method == "direct":
        return path.latents[-1]
    pixels = (path.latents.shape[2] * model.vae_scale_factor, path.latents.shape[3] * model.vae_scale_factor)
    words, empty = model.condition([prompt], size=pixels), model.unconditional(size=pixels)

    def predict(latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        own = path.unconditional
        none = empty.states if own is None else own[min(index, len(own) - 1)][None]
        told = Conditioning.cat((replace(empty, states=none.to(words.states)), words))
        output = model.network.predict(torch.cat((latents, latents)), timestep, told)
        return cfg(output[:1], output[1:], scale)

    scheduler = model.new_scheduler((path.latents.shape[2], path.latents.shape[3]))
    if path.residuals is not None:
        scheduler = ResidualSteps(scheduler, [path.residuals], stochastic=METHODS[path.method].is_stochastic)
    steps_taken = denoise(predict, scheduler=scheduler, latents=path.latents[:1], num_inference_steps=steps)
    return run_to_end(steps_taken)[0]


def invert(
    model: DiffusionModel, latents: Tensor, prompt: str, method: Inversion, scale: float, steps: int
) -> Trajectory:
    """Invert latents, (C, h, w)."""
    inverter = Inverter(model, latents, prompt, num_inference_steps=steps, guidance_scale=scale, seed=0)
    with torch.no_grad():
        return run_to_end(METHODS[method].steps(inverter))


def edits(editor: PromptToPromptEditor, args: argparse.Namespace) -> None:
    """Edit exact pairs by every method and print how close that comes."""
    pairs: list[tuple[Scene, SceneEdit]] = []
    for seed in count():
        scene = sample_scene(seed, world=WORLDS[args.world], split="held_out")
        edit = make_edit(scene, EDIT_KINDS[len(pairs) % len(EDIT_KINDS)], seed)
        if edit is not None:
            pairs.append((scene, edit))
        if len(pairs) == args.num:
            break
    print(f"{editor.model.name}, {args.num} held-out edits of world {args.world}, {args.steps} steps\n")
    print(f"{'':18}{'target dB':>10}{'nearer %':>10}{'rest dB':>9}{'rows':>6}")
    for method in args.methods:
        found: list[tuple[float, float, float]] = []
        rests: list[float] = []
        for seed, (scene, edit) in enumerate(pairs):
            drawn = render_edit(edit, editor.model.native_size)
            before, target, rest = drawn.original_image, drawn.edited_image, drawn.mask == 0
            result = editor.edit(
                PromptEdit(
                    original_prompt=caption(scene),
                    edited_prompt=caption(edit.edited),
                    original_image=Image.fromarray(before),
                    inversion=method,
                    num_inference_steps=args.steps,
                    guidance_scale=args.guidance_scale,
                    seed=seed,
                )
            )
            after = np.asarray(result.edited_image)
            reached = psnr(after, target)
            found.append((reached, 100 * (reached > psnr(before, target)), result.num_unet_rows))
            if rest.any():
                rests.append(psnr(after[rest], before[rest]))
        target_db, nearer, rows = (statistics.fmean(column) for column in zip(*found, strict=True))
        print(
            f"{method:18}{target_db:10.2f}{nearer:10.0f}{statistics.fmean(rests):9.1f}{rows:6.0f}", flush=True
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="?", default="redrawing", choices=("redrawing", "edits"))
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--world", default="small", choices=sorted(WORLDS))
    parser.add_argument("--num", type=int, default=50)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--methods", nargs="+", default=list(INVERSIONS), choices=INVERSIONS)
    parser.add_argument("--guidance-scale", type=float, help="of the edits; else what the model recommends")
    args = parser.parse_args()
    editor = PromptToPromptEditor.from_pretrained(args.model, for_photos=True, cache_bytes=0)
    if args.what == "edits":
        edits(editor, args)
        return
    model = editor.model
    scenes = [sample_scene(seed, world=WORLDS[args.world], split="held_out") for seed in range(args.num)]
    captions = [caption(scene) for scene in scenes]
    figures: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    for place, scene in enumerate(scenes):
        picture = Image.fromarray(render_scene(scene, model.native_size).image)
        photo, words = Photo.read(picture, model), captions[place]
        latents = model.scaled(encode([photo], model))[0]

        def compared(found: Tensor, photo: Photo = photo, latents: Tensor = latents) -> tuple[float, float]:
            (shown,) = model.decode(found[None])
            away = math.sqrt(float((found - latents).square().mean()))
            return photo.psnr(shown.permute(1, 2, 0).cpu().numpy()), away

        print(f"{place + 1} of {args.num}: {words}", file=sys.stderr)
        figures["autoencoder", 1.0].append(compared(latents))
        for method in args.methods:
            for scale in (1.0, 7.5):
                path = invert(model, latents, words, method, scale, args.steps)
                figures[method, scale].append(compared(redrawn(model, path, words, scale, args.steps)))
        for name, told in (("its caption", words), ("another's", captions[place - 1])):
            edit = PromptEdit(
                original_prompt=told,
                edited_prompt=f"{told} at night",
                original_image=picture,
                num_inference_steps=args.steps,
                guidance_scale=7.5,
            )
            figures[f"reported, {name}", 7.5].append(
                (editor.edit(edit).reconstruction_psnr or math.nan, math.nan)
            )
    print(f"{model.name}, {args.num} held-out scenes of world {args.world}, {args.steps} steps\n")
    print(f"{'':24}{'guidance':>9}{'PSNR dB':>9}{'latent RMSE':>13}")
    for (name, guidance), rows in figures.items():
        decibels, away = (statistics.fmean(column) for column in zip(*rows, strict=True))
        print(f"{name:24}{guidance:9.1f}{decibels:9.2f}{away:13.2e}")


if __name__ == "__main__":
    main()
