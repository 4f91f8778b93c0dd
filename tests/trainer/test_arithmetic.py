"""How a step is computed changes how long it takes, and nothing of what it is."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from tests import tiny
from tests.trainer import toy
from trainer.errors import InvalidConfig
from trainer.runs import arithmetic
from trainer.runs.arithmetic import MAX_EXPLICIT_TOKENS, attention_processor, compiled, resolved
from trainer.runs.folder import claim

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_written_out_attention_has_the_fused_ones_values_and_gradients() -> None:
    unet = tiny.pipeline(kind="edit").unet
    x, text = torch.randn(2, 8, 8, 8), torch.randn(2, 5, unet.config.cross_attention_dim)
    found: list[list[torch.Tensor]] = []
    for tokens in (MAX_EXPLICIT_TOKENS, MAX_EXPLICIT_TOKENS + 1):
        unet.set_attn_processor(attention_processor(CPU, tokens))
        unet.zero_grad()
        predicted = unet(x, torch.tensor([10, 500]), text).sample
        predicted.square().mean().backward()
        found.append([predicted.detach(), *(p.grad.clone() for p in unet.parameters() if p.grad is not None)])
    for explicit, fused in zip(*found, strict=True):
        assert torch.allclose(explicit, fused, atol=1e-5, rtol=1e-4)


def test_attention_is_written_out_for_few_places_on_a_cpu_alone() -> None:
    assert type(attention_processor(CPU, 64)) is AttnProcessor
    for device, tokens in ((CPU, 4096), (CUDA, 64)):
        assert type(attention_processor(device, tokens)) is AttnProcessor2_0


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "no")])
def test_auto_takes_bf16_where_it_is_computed_and_a_run_keeps_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool, chosen: str
) -> None:
    config = toy.autoencoder_config(tmp_path, mixed_precision="auto")
    monkeypatch.setattr(arithmetic, "computes_bf16", lambda device: native)
    begun = resolved(config)
    assert begun.mixed_precision == chosen
    claim(begun)
    (config.out / "checkpoints" / "checkpoint-00000001").mkdir(parents=True)
    monkeypatch.setattr(arithmetic, "computes_bf16", lambda device: not native)
    assert resolved(config) == begun
    claim(resolved(config))


def test_bf16_without_arithmetic_for_it_runs_with_a_warning_of_how_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "computes_bf16", lambda device: False)
    config = toy.autoencoder_config(tmp_path, mixed_precision="bf16")
    with pytest.warns(UserWarning, match=r"times the speed of float32; take no or auto"):
        assert resolved(config) == config


def test_compiling_without_a_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder

    def missing(*_: Any) -> str:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", missing)
    with pytest.raises(InvalidConfig, match=r"^compile: .* install g"):
        compiled(torch.nn.Linear(1, 1))
