"""RePaint: a model that draws from words alone fills in what is missing of a picture.

Reference: Andreas Lugmayr, Martin Danelljan, Andres Romero, Fisher Yu, Radu Timofte, Luc Van Gool, "RePaint:
Inpainting using Denoising Diffusion Probabilistic Models" (2022, arXiv 2201.09865), Alg. 1, on latents and
with the steps of DDIM.

Laws: where the picture is known, the result is that picture; taken once each, the steps are those of Blended
Latent Diffusion (Avrahami et al. 2022, arXiv 2206.02779).
"""

import math
from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from editors.ddim import Level
from editors.diffusion import Predict
from editors.requests.results import Step


@torch.no_grad()
def repaint(
    predict: Predict,
    *,
    levels: Sequence[Level],
    noise: Tensor,
    picture: Tensor,
    known: Tensor,
    num_resamples: int,
    generators: Sequence[torch.Generator],
) -> Generator[Step, None, Tensor]:
    """Draw what is missing, one yielded step at a time.

    Each step is taken `num_resamples` times (U of Alg. 1): after each but the last the latents are noised
    again to where the step began, so that what is new has time to fit what was there.

    Args:
        predict: The model with its guidance; see `Predict`.
        levels: The steps, from the noise to the picture.
        noise: Of unit variance, (B, C, h, w); what is known is noised by it too.
        picture: Latents of the pictures, scaled, (B, C, h, w).
        known: Where they count, bool (B, 1, h, w).
        num_resamples: How often each step is taken, from 1.
        generators: One per row, on the CPU: of the noise that is drawn on the way.

    Yields:
        Each step after it was taken for the last time.

    Returns:
        The final latents, (B, C, h, w).
    """

    def with_known(latents: Tensor, signal: float, spread: float) -> Tensor:
        return torch.where(known, signal * picture + spread * noise, latents)

    latents = with_known(noise, levels[0].signal, levels[0].spread)
    for index, level in enumerate(levels):
        is_last = index == len(levels) - 1
        for again in reversed(range(1 if is_last else num_resamples)):
            output = predict(latents, level.timestep, index)
            clean = with_known(level.clean(latents, output), 1.0, 0.0)
            stepped = level.a * latents + level.b * output
            latents = with_known(stepped, level.next_signal, level.next_spread)
            if again:  # forward again, by x ~ N(k·x', spread² − k²·spread'²), k = signal / signal'
                kept = level.signal / level.next_signal
                rows = [torch.randn(noise.shape[1:], generator=one) for one in generators]
                fresh = torch.stack(rows).to(latents.device)
                spread = math.sqrt(level.spread**2 - (kept * level.next_spread) ** 2)
                latents = with_known(kept * latents + spread * fresh, level.signal, level.spread)
        if is_last:
            latents = clean
        yield Step(
            index=index, num_steps=len(levels), timestep=int(level.timestep), latents=latents, clean=clean
        )
    return latents
