"""The choice of device and number format where the user makes none."""

from typing import TYPE_CHECKING, Any

import torch

from editors.errors import InvalidEdit

if TYPE_CHECKING:
    from editors.model.diffusion_model import DiffusionModel


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the device asked for; None takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        InvalidEdit: There is no such device here.
    """
    here = _devices()
    if device is None:
        return torch.device(here[0])
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        chosen = None
    if chosen is None or chosen.type not in here:
        raise InvalidEdit("device", f"{str(device)!r} is not to be had here; choose from {', '.join(here)}.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InvalidEdit(
            "device", f"{str(device)!r} is not there; {torch.cuda.device_count()} are, from cuda:0 on."
        )
    return chosen


def choose_dtype(device: torch.device, dtype: torch.dtype | None) -> torch.dtype:
    """Return the format asked for; None takes what is fast on the device within what the eye tolerates.

    Raises:
        InvalidEdit: It is no floating-point format.
    """
    if dtype is not None:
        if dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise InvalidEdit(
                "dtype", f"{dtype} is not allowed; choose float32, bfloat16 or float16 of torch."
            )
        return dtype
    # On the CPU bfloat16 is faster on some chips, but differs visibly from diffusers' own result.
    return {"cuda": torch.bfloat16, "mps": torch.float16}.get(device.type, torch.float32)


def placed(
    model: "DiffusionModel", device: torch.device, dtype: torch.dtype | None = None
) -> "DiffusionModel":
    """Bring a model's parts to a device, ready to edit with; they are the same objects afterwards.

    Args:
        model: The model.
        device: Where to.
        dtype: As for `load`.
    """
    _move(model.network.module, device, choose_dtype(device, dtype))
    for encoder in model.text.text_encoders:
        _move(encoder, device, dtype or torch.float32)
    _move(model.vae, device, torch.float32 if overflows(model.vae, dtype) else dtype or torch.float32)
    return model


def _move(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Bring a module to a device and a format of numbers, ready to be asked."""
    module.to(device)
    # The `to` of diffusers warns of parts to keep in float32 even where there are none.
    torch.nn.Module.to(module, dtype=dtype).eval()


def overflows(vae: Any, dtype: torch.dtype | None) -> bool:
    """Tell whether a VAE says of itself that float16 is too narrow for its activations."""
    return dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))


def _devices() -> list[str]:
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    return [*(["cuda"] if has_cuda else []), *(["mps"] if has_mps else []), "cpu"]
