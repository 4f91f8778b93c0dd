"""Open a model by name, or take the parts of a pipeline.

Law: a model of the other kind, or one whose parts do not fit, is one sentence that says what to do.
"""

import copy
from collections.abc import Sequence
from os import PathLike
from typing import Any

import torch

from editors.errors import IncompatibleModel
from editors.model.backbones import open as backbones
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.devices import choose_device, choose_dtype, overflows, placed
from editors.model.diffusion_model import DiffusionModel
from editors.model.dtypes import AUTO
from editors.model.int8 import hold_in_int8, read_for_int8
from editors.model.loading.checkpoints import read
from editors.model.loading.layout import explained, parts_of
from editors.model.loading.lora_files import weights_of
from editors.model.loading.loras import with_loras
from editors.model.loading.needs import Needs, needs_of
from editors.model.parts import NETWORKS
from editors.model.residence import MEMORY_USES, MemoryUse
from editors.requests import rules
from editors.requests.lora import Lora
from editors.requests.settings import Kind
from editors.uncollected import uncollected


@uncollected()
def load(
    name_or_path: str,
    *,
    kind: Kind,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    scheduler: str | None = None,
    loras: Sequence[Lora | str | PathLike[str]] = (),
    memory: MemoryUse = "auto",
    needs: Needs | None = None,
) -> DiffusionModel:
    """Load a model.

    Args:
        name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
        kind: What it is for; a model of the other kind is an error.
        device: None takes CUDA, else Apple's GPU, else the CPU.
        dtype: Of every part, float32, bfloat16 or float16, but for a VAE that float16 would overflow, which
            stays in float32. None computes the UNet in bfloat16 on CUDA, float16 on Apple's GPU and float32
            on the CPU, and leaves text encoders, but for large language models, and VAE in float32: their
            rounding would be seen. "auto" is like None, but measures on the CPU what is fastest there, once a
            machine.
        scheduler: Another than the model's own, of `SCHEDULERS`.
        loras: Laid over it: files, as `FILE` or `FILE=SCALE`, or `Lora`s.
        memory: "full" has all parts on the device; "offload" has those of a large model in main memory until
            they are called, when they are brought to the graphics card in the place of one another; "int8"
            has all there, their matrices in eight bits (`model.int8`); "auto" is the first of these that
            there is room for.
        needs: As `needs_of` told them of this model, device and dtype; None counts them.

    Raises:
        IncompatibleModel: There is no such model or LoRA, one cannot be loaded safely, the model is of the
            other kind, its weights do not fit in the memory, or a LoRA was made for another.
        InvalidEdit: The device, dtype, scheduler or memory is not to be had, or a scale is out of range.
    """
    target = choose_device(device)
    rules.choice("memory", memory, MEMORY_USES)
    needs = needs_of(str(name_or_path), device=device, dtype=dtype) if needs is None else needs
    residence = "full" if needs is None else needs.residence(memory)
    over = [(lora, weights_of(lora.path)) for lora in map(Lora.of, loras)]
    name = str(name_or_path)
    network = choose_dtype(target, None if dtype == AUTO else dtype)
    in_int8 = residence == "int8"

    def hold(part: str, module: torch.nn.Module) -> None:
        # A LoRA is laid over matrices as they are written.
        if in_int8 and not (over and part in NETWORKS):
            hold_in_int8(module)

    with explained(name, "configuration"):
        read_as = read_for_int8(network) if in_int8 else network
        found = read(name, kind, read_as, found=None if needs is None else needs.found, then=hold)
        model = found if isinstance(found, PipelineModel) else DiffusionModel(**found._asdict(), name=name)
    require_kind(model, kind)
    model = with_loras(model, over)
    if in_int8:
        hold_in_int8(model.network.module)
    model = placed(model, target, dtype, residence)
    return model if scheduler is None else model.with_scheduler(scheduler)


def from_pipeline(pipe: Any) -> DiffusionModel:
    """Take the parts of a diffusers pipeline; they are shared and left as they are.

    A VAE in float16 that would overflow is the one exception: it is copied, in float32.

    Raises:
        IncompatibleModel: It lacks a part, or its parts are none of Stable Diffusion's layout.
    """
    name = getattr(getattr(pipe, "config", None), "_name_or_path", None) or type(pipe).__name__
    other = backbones.from_pipeline(pipe, name=str(name))
    if other is not None:
        return other
    parts = parts_of(pipe, str(name))
    if overflows(parts.vae, parts.vae.dtype):
        parts = parts._replace(vae=copy.deepcopy(parts.vae).float())
    return DiffusionModel(**parts._asdict(), name=str(name))


def require_kind(model: DiffusionModel, kind: Kind) -> None:
    """Require a model of one kind.

    Raises:
        IncompatibleModel: It is of the other; the sentence says what to do with it.
    """
    if model.kind == kind:
        return
    if isinstance(model, PipelineModel):
        does, remedy = (
            ("draws from words alone", "give one that follows instructions, or use this one for prompt edits")
            if kind == "edit"
            else ("follows instructions", "give a text-to-image model, or use this one for instruction edits")
        )
        raise IncompatibleModel(f"{model.name}: {does}; {remedy}.")
    c, had = model.latent_channels, model.unet.config.in_channels
    if kind == "edit":
        raise IncompatibleModel(
            f"{model.name}: its UNet takes {had} channels, one that follows instructions {2 * c}; give an "
            "InstructPix2Pix model, train one with `wordbrush train instruct-pix2pix`, or use this one for "
            "prompt edits."
        )
    why = f"its UNet takes {had} channels, one that draws from prompts takes {c}"
    if had == c:
        why = "is told a picture beside the noise, one that draws from prompts is not"
    raise IncompatibleModel(
        f"{model.name}: {why}; give a text-to-image model, or use this one for instruction edits."
    )
