import pytest
import torch

from editors.diffusion import denoise, noise
from tests import tiny


def predict(latents, timestep, index):
    return torch.tanh(latents) * 0.3


def run(name="ddim", *, steps=6, seeds=(1,), **options):
    start, generators = noise(seeds, (4, 8, 8), torch.device("cpu"))
    scheduler = tiny.build_scheduler(name)
    return list(
        denoise(
            predict,
            scheduler=scheduler,
            latents=start,
            num_inference_steps=steps,
            generators=generators,
            **options,
        )
    )


@pytest.mark.parametrize("name", tiny.SCHEDULERS)
def test_equal_seeds_give_equal_rows_ancestral_noise_included(name):
    steps = run(name, seeds=(3, 3, 4))
    for step in steps:
        assert torch.equal(step.latents[0], step.latents[1])
        assert not torch.equal(step.latents[0], step.latents[2])


@pytest.mark.parametrize("name", tiny.SCHEDULERS)
def test_a_row_does_not_depend_on_its_company(name):
    alone, together = run(name, seeds=(4,))[-1], run(name, seeds=(3, 4))[-1]
    torch.testing.assert_close(alone.latents[0], together.latents[1])


@pytest.mark.parametrize("name", tiny.SCHEDULERS)
def test_steps_count_themselves_and_the_clean_estimate_ends_at_the_latents(name):
    steps = run(name)
    assert [step.index for step in steps] == list(range(len(steps)))
    assert {step.num_steps for step in steps} == {len(steps)}
    assert len(steps) == (7 if name == "pndm" else 6)
    first, last = ((step.clean - steps[-1].latents).abs().mean() for step in (steps[0], steps[-1]))
    assert last < first


def test_after_step_alone_changes_latents():
    def freeze(latents, index):
        return torch.zeros_like(latents) if index == 5 else latents

    assert torch.equal(run(after_step=freeze)[-1].latents, torch.zeros(1, 4, 8, 8))


def test_the_callers_random_state_is_left_alone():
    before = torch.get_rng_state()
    run("euler-a")
    assert torch.equal(before, torch.get_rng_state())


def test_gradients_stay_as_they_were_between_steps():
    start, _ = noise((1,), (4, 8, 8), torch.device("cpu"))
    scheduler = tiny.build_scheduler("ddim")
    steps = denoise(predict, scheduler=scheduler, latents=start, num_inference_steps=3)
    next(steps)
    assert torch.is_grad_enabled()
    steps.close()
    assert torch.is_grad_enabled()


def test_a_bare_step_has_no_preview():
    with pytest.raises(ValueError, match="no decoder"):
        run()[0].preview()
