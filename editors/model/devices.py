"""The choice of device and number format, the user's or ours."""

from typing import TYPE_CHECKING, Any

import torch

from editors.errors import InvalidEdit
from editors.model.arithmetic import DTYPES, EMULATED, Arithmetic, fastest_on_cpu, slowness
from editors.model.dtypes import AUTO
from editors.model.residence import Residence

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


def choose_dtype(device: torch.device, dtype: torch.dtype | str | None) -> torch.dtype:
    """Return the format asked for; None takes what is fast on the device within what the eye tolerates.

    Args:
        device: Where it is computed.
        dtype: One of `DTYPES`, by its name, which is refused where it would be emulated, or as torch's own,
            which is taken as it is.

    Raises:
        InvalidEdit: It is no such format, or a processor has no arithmetic for it.
    """
    if dtype is None:
        return {"cuda": torch.bfloat16, "mps": torch.float16}.get(device.type, torch.float32)
    if isinstance(dtype, torch.dtype) and dtype in DTYPES.values():
        return dtype
    name = str(dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise InvalidEdit("dtype", f"{name!r} is not allowed; choose from {', '.join((AUTO, *DTYPES))}.")
    if device.type == "cpu" and (times := slowness(name)) >= EMULATED:
        raise InvalidEdit(
            "dtype",
            f"this processor has no arithmetic of its own for {name}, which takes {times:.0f} times as long "
            f"as float32; choose float32 or {AUTO}.",
        )
    return DTYPES[name]


def choose_arithmetic(
    model: "DiffusionModel", device: torch.device, dtype: torch.dtype | str | None
) -> Arithmetic:
    """Return what a model's network is computed in.

    Raises:
        InvalidEdit: As `choose_dtype`.
    """
    if dtype != AUTO:
        return Arithmetic(choose_dtype(device, dtype))
    if device.type != "cpu":
        return Arithmetic(choose_dtype(device, None), channels_last=device.type == "cuda")
    side = model.native_size // model.vae_scale_factor
    return fastest_on_cpu(model.width, side)


def placed(
    model: "DiffusionModel",
    device: torch.device,
    dtype: torch.dtype | str | None = None,
    residence: Residence = "full",
) -> "DiffusionModel":
    """Bring a model's parts to a device, ready to edit with; they are the same objects afterwards.

    Args:
        model: The model.
        device: Where to.
        dtype: As for `load`.
        residence: Where the parts lie until they are called.

    Raises:
        InvalidEdit: As `choose_dtype`.
    """
    chosen = choose_arithmetic(model, device, dtype)
    lies = torch.device("cpu") if residence == "offload" else device
    # What nobody has named is for the network alone: the rounding of the others would be seen.
    others = torch.float32 if dtype in (None, AUTO) else chosen.dtype
    _move(model.network.module, lies, chosen.dtype)
    for encoder in model.text.text_encoders:
        # A language model in float32 fills the memory that the network needs, which was trained with half.
        _move(encoder, lies, chosen.dtype if model.reads_with_language_model else others)
    _move(model.vae, lies, torch.float32 if overflows(model.vae, others) else others)
    for part in (model.network.module, model.vae):
        chosen.laid_out(part)
    if residence == "offload":
        model.wait_for_calls(device)
    return model


def device_of(module: torch.nn.Module) -> torch.device:
    """Return where a module is computed: not where it waits until it is called, if it does."""
    place = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    device: torch.device = next(module.parameters()).device
    return device if place is None else torch.device(place)


def _move(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Bring a module to a device and a format of numbers, ready to be asked."""
    module.to(device)
    # The `to` of diffusers warns of parts to keep in float32 even where there are none.
    torch.nn.Module.to(module, dtype=dtype).eval()


def overflows(vae: Any, dtype: torch.dtype) -> bool:
    """Tell whether a VAE says of itself that float16 is too narrow for its activations."""
    return dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))


def _devices() -> list[str]:
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    return [*(["cuda"] if has_cuda else []), *(["mps"] if has_mps else []), "cpu"]
