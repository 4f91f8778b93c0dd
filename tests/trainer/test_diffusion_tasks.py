"""What the diffusion losses promise: one error, whatever the network is asked to predict."""

import pytest
import torch

from trainer.tasks.diffusion import MAX_SAMPLE_WEIGHT, diffusion_loss, training_scheduler


def batch(timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (len(timesteps), 4, 8, 8)
    clean, noise, guess = (torch.randn(shape, generator=generator) for _ in range(3))
    return clean, noise, clean + 0.3 * guess


def test_an_error_of_the_clean_sample_costs_what_it_costs_as_a_velocity() -> None:
    by_sample, by_velocity = training_scheduler("sample"), training_scheduler("v_prediction")
    variance = 1 - by_sample.alphas_cumprod
    allowed = torch.nonzero(1 / variance < MAX_SAMPLE_WEIGHT).flatten()
    timesteps = allowed[:: len(allowed) // 7]
    clean, noise, guess = batch(timesteps)
    noised = by_velocity.add_noise(clean, noise, timesteps)
    alpha, sigma = (x[timesteps].sqrt()[:, None, None, None] for x in (1 - variance, variance))
    velocity = (alpha * noised - guess) / sigma  # x̂ = α·x_t − σ·v̂

    expected = diffusion_loss(by_velocity, velocity, clean, noise, timesteps)
    assert diffusion_loss(by_sample, guess, clean, noise, timesteps).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_right_prediction_costs_nothing_at_any_noise_level(kind: str) -> None:
    scheduler = training_scheduler(kind)
    timesteps = torch.tensor([0, 1, 500, 998, 999])
    clean, noise, _ = batch(timesteps)
    right = {"epsilon": noise, "sample": clean}.get(kind)
    if right is None:
        right = scheduler.get_velocity(clean, noise, timesteps)

    assert diffusion_loss(scheduler, right, clean, noise, timesteps).item() == 0


def test_the_last_of_the_noise_weighs_no_more_than_the_bound() -> None:
    scheduler = training_scheduler("sample")
    timesteps = torch.tensor([0])
    clean, noise, guess = batch(timesteps)

    loss = diffusion_loss(scheduler, guess, clean, noise, timesteps)
    assert loss.item() == pytest.approx(MAX_SAMPLE_WEIGHT * (guess - clean).square().mean().item(), rel=1e-5)


def test_min_snr_weighs_one_error_alike_whatever_is_predicted() -> None:
    """An error of the clean picture costs min(SNR, γ) times its square, told as sample, noise or velocity."""
    generator = torch.Generator().manual_seed(0)
    clean, noise, error = (torch.randn(6, 2, 3, 3, generator=generator) for _ in range(3))
    timesteps = torch.tensor([5, 100, 300, 500, 700, 900])
    for kind in ("sample", "epsilon", "v_prediction"):
        scheduler = training_scheduler(kind)
        alpha = scheduler.alphas_cumprod[timesteps][:, None, None, None]
        snr = alpha / (1 - alpha)
        scale = {"sample": snr * 0 + 1, "epsilon": -snr.sqrt(), "v_prediction": -(snr + 1).sqrt()}[kind]
        target = {"sample": clean, "epsilon": noise}.get(
            kind, scheduler.get_velocity(clean, noise, timesteps)
        )
        loss = diffusion_loss(scheduler, target + scale * error, clean, noise, timesteps, min_snr_gamma=5.0)
        assert torch.allclose(loss, (snr.clamp(max=5.0) * error.square()).mean(), rtol=1e-4)
