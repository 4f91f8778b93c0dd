"""Recognising a file or folder that was given for a model, by the names in it, before a library reads it.

Law: what is known to be something else is called what it is, with the way to what was meant; no weight is
read, and nothing is fetched.
"""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from editors.errors import IncompatibleModel
from editors.files import read_text, user_path
from editors.model.loading.layout import REMEDY
from editors.model.parts import FAMILIES, LAYOUTS, WITHOUT_GUIDANCE

SHARD = re.compile(r"(?P<stem>.+?)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<rest>.*)\.safetensors")
WEIGHTS = re.compile(r"(?:diffusion_pytorch_model|model)(?P<middle>.*)\.safetensors")
"""How diffusers and transformers call the weights of a part: the middle holds variant and shard."""
SHARD_NUMBER = re.compile(r"-\d{5}-of-\d{5}")

_WHOLE = "give the whole model"
_FILES = (
    (
        ("lora_unet_", "lora_te", ".lora.", ".lora_A.", ".lora_B.", ".lora_down.", ".lora_up."),
        "is a LoRA, which changes another model; give the model that it was made for",
    ),
    (("control_model.", "controlnet_cond_embedding."), f"is a ControlNet, which steers another; {_WHOLE}"),
    (("image_proj.", "ip_adapter."), f"is an IP-Adapter, which steers another model; {_WHOLE}"),
    (("emb_params", "string_to_param", "clip_l", "clip_g"), f"is a word's embedding alone; {_WHOLE}"),
    (("conv_first.", "model.0.weight"), f"is an upscaler, which only enlarges; {_WHOLE}"),
)
"""Beginnings of weights' names, or from a dot on parts of them -> what a file with such a weight is."""
_LENGTH_BYTES, _LONGEST_HEADER = 8, 100_000_000
"""Of the header that safetensors files begin with: its length, then JSON."""
_UNET = "model.diffusion_model."
_BESIDE_UNET = {
    "its autoencoder": ("first_stage_model.",),
    "its text encoder": ("cond_stage_model.", "conditioner."),
}
_VAE_BEGINNINGS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "first_stage_model.", "loss.")
_SECOND_ENCODER = "conditioner.embedders.1."
_REFINERS_ENCODER = "conditioner.embedders.0.model."
_TRANSFORMER_BLOCKS = (".joint_blocks.", "double_blocks.", ".transformer_blocks.0.img_mlp")
_UNET_CHANNELS = {4: "draws from words alone", 8: "follows instructions", 9: "fills holes in pictures"}
_NEEDED = {
    "edit": "give one that follows instructions, as InstructPix2Pix does, or use prompt-edit",
    "base": "give one that draws from words, or use edit",
}
_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<id>[\w.-]+/[\w.-]+)")


def is_xl(name: str, keys: Collection[str], kind: str, in_channels: int | None) -> bool:
    """Tell by the names of a single file's weights whether it is an XL.

    Args:
        name: Of the file.
        keys: Of its weights.
        kind: "base" or "edit": what is needed.
        in_channels: Of its UNet, where it has one.

    Raises:
        IncompatibleModel: It is no model of the kind that is needed, in a layout that is supported.
    """
    for parts, what in _FILES:
        if any(
            key.startswith(part) or (part.startswith(".") and part in key) for key in keys for part in parts
        ):
            raise IncompatibleModel(f"{name}: {what}.")
    has_second = any(key.startswith(_SECOND_ENCODER) for key in keys)
    if not has_second and any(key.startswith(_REFINERS_ENCODER) for key in keys):
        raise IncompatibleModel(
            f"{name}: is a refiner, which only finishes pictures; give the base model of Stable Diffusion XL."
        )
    if any(block in key for key in keys for block in _TRANSFORMER_BLOCKS):
        raise IncompatibleModel(
            f"{name}: is a diffusion transformer, which has no UNet; give the folder of its pipeline, or a "
            "file of Stable Diffusion."
        )
    if not any(key.startswith(_UNET) for key in keys):
        raise IncompatibleModel(f"{name}: {_part_alone(keys)}; {_WHOLE}.")
    wanted = 8 if kind == "edit" else 4
    if in_channels is not None and in_channels != wanted:
        layout = "Stable Diffusion XL" if has_second else "Stable Diffusion"
        does = _UNET_CHANNELS.get(in_channels, f"takes {in_channels} channels")
        raise IncompatibleModel(f"{name}: is a model of {layout} that {does}; {_NEEDED[kind]}.")
    lacking = [
        part for part, begins in _BESIDE_UNET.items() if not any(key.startswith(begins) for key in keys)
    ]
    if lacking:
        raise IncompatibleModel(f"{name}: holds its UNet without {' and '.join(lacking)}; {_WHOLE}.")
    return has_second


def _part_alone(keys: Collection[str]) -> str:
    """Say which part of a model a file without a UNet in the original's names is."""
    if keys and all(key.startswith(_VAE_BEGINNINGS) for key in keys):
        return "is an autoencoder (VAE) alone"
    if any(key.startswith(("down_blocks.", "mid_block.", "up_blocks.")) for key in keys):
        return "is a UNet alone, in the layout of diffusers"
    if any("text_model." in key or "transformer.resblocks." in key for key in keys):
        return "is a text encoder alone"
    return f"holds no diffusion model (its first weight is {min(keys, default='missing')})"


def holds_lora(file: Path) -> bool:
    """Tell by the names of a file's weights whether it is a LoRA; no weight is read."""
    (parts, _), *_ = _FILES
    return any(part in name for name in header_of(file) for part in parts)


def header_of(file: Path) -> dict[str, Any]:
    """Return what a safetensors file says of its weights, by their names; nothing where it says nothing."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
            header = json.loads(opened.read(length)) if length <= _LONGEST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def hint_on_name(name: str) -> str | None:
    """Say what is meant by a name that is no Hub id, where it is a web address; None where it is none."""
    if not name.startswith(("http://", "https://")):
        return None
    found = _ADDRESS.match(name)
    if found and found["id"].split("/")[0] not in ("datasets", "spaces", "docs"):
        return f"is a web address; give the id alone, {found['id']}"
    return "is a web address; download the model and give its folder or file"


def may_be_hub_id(name: str) -> bool:
    """Say whether a name that is no place here can be the id of a model of the Hub."""
    is_path = name.startswith((".", "/", "~")) or name.endswith(".safetensors")
    return name.count("/") == 1 and not is_path


def find_model(name: str) -> Path:
    """Return the place that a model's name means: of the folder of a finished training run, its model."""
    path = user_path(name)
    exported = path / "model"
    return exported if task_of(path) is not None and exported.is_dir() else path


def is_edit_model(folder: Path) -> bool:
    """Tell by a folder's configurations whether its model, or one of its family, is told a picture."""
    if (folder / "pocket.json").is_file():
        return (folder / "edit").is_dir()
    if not (folder / "model_index.json").is_file():
        return False
    family = FAMILIES.get(str(_fields(folder / "model_index.json").get("_class_name")))
    if family is not None:
        return family.kind == "edit"
    taken = _fields(folder / "unet" / "config.json").get("in_channels")
    latent = _fields(folder / "vae" / "config.json").get("latent_channels")
    return isinstance(taken, int) and isinstance(latent, int) and taken == 2 * latent


def takes_of(folder: Path) -> tuple[int, bool]:
    """Return what a folder's edit model takes, by its index.

    Returns:
        How many pictures besides the one that is edited, and whether it knows guidance.
    """
    facts = _fields(folder / "model_index.json")
    family = FAMILIES.get(str(facts.get("_class_name")))
    if family is None:
        return 0, True
    is_taught_without = facts.get("is_distilled") is True or family.settings is WITHOUT_GUIDANCE
    return family.max_references, not is_taught_without


def hint_on_folder(folder: Path, name: str) -> str | None:
    """Say what a folder without `model_index.json` is, and what to give instead; None where nobody knows."""
    task = task_of(folder)
    if task is not None:
        return (
            f"is the run folder of a training that is not done; go on with `wordbrush train {task} --resume`"
        )
    modular = _fields(folder / "modular_model_index.json").get("_class_name")
    if modular is not None:
        return f"is a modular pipeline ({modular}), which is not read; give one in the layout of {LAYOUTS}"
    weights = _safetensors(folder)
    if (folder / "adapter_config.json").is_file() or any("lora" in path.name for path in weights):
        return "is a LoRA, which changes another model; give the model that it was made for"
    config = _fields(folder / "config.json")
    found = config.get("_class_name") or next(iter(config.get("architectures") or []), None)
    if isinstance(found, str):
        return f"is one part alone, {found}; give the folder of the whole model, as a rule the one above"
    if (folder / "snapshots").is_dir():
        inner = next((path for path in sorted((folder / "snapshots").iterdir()) if path.is_dir()), None)
        return (
            None if inner is None else f"is a cache of the Hub; give {Path(name) / 'snapshots' / inner.name}"
        )
    inner = next((path for path in sorted(folder.iterdir()) if (path / "model_index.json").is_file()), None)
    if inner is not None:
        return f"holds a model further in; give {Path(name) / inner.name}"
    file = next((path.name for path in weights), None)
    return None if file is None else f"holds a model in a single file; give {Path(name) / file}"


def task_of(folder: Path) -> str | None:
    """Return what a training run trains; None where the folder is none of a run."""
    config = _fields(folder / "config.json").get("config")
    task = config.get("task") if isinstance(config, dict) else None
    return task if isinstance(task, str) else None


def _safetensors(folder: Path) -> list[Path]:
    """Return a folder's files of weights; hidden ones, as macOS leaves beside them, are none."""
    return sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("."))


def _fields(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def variant_of(files: Iterable[str], what: str) -> str | None:
    """Return under which variant a part's weights are to be loaded: None for the plain ones, if there are.

    Args:
        files: Names of its safetensors files.
        what: The part and its model, for the sentence.

    Raises:
        IncompatibleModel: There are several, and none is plain or fp16.
    """
    middles = (match["middle"] for file in files if (match := WEIGHTS.fullmatch(file)))
    variants = {SHARD_NUMBER.sub("", middle).strip(".") for middle in middles}
    if not variants or "" in variants:
        return None
    if "fp16" in variants:
        return "fp16"
    if len(variants) > 1:
        raise IncompatibleModel(
            f"{what} has weights under several variants ({', '.join(sorted(variants))}); keep one of them."
        )
    return variants.pop()


def require_all_shards(folder: Path, variant: str | None, what: str) -> None:
    """Require every file of weights that are split into several.

    Args:
        folder: Of the part.
        variant: Of the weights.
        what: The part and its model, for the sentence.

    Raises:
        IncompatibleModel: One is missing; the sentence names it.
    """
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    wanted: set[str] = set()
    for index in (path for path in folder.glob("*.safetensors.index*.json") if path.name[0] != "."):
        if variant in (None, "") or variant in index.name:
            mapping = _fields(index).get("weight_map")
            wanted |= {str(file) for file in mapping.values()} if isinstance(mapping, dict) else set()
    for match in filter(None, map(SHARD.fullmatch, there)):
        total = int(match["total"])
        wanted |= {
            f"{match['stem']}-{number:05d}-of-{total:05d}{match['rest']}.safetensors"
            for number in range(1, total + 1)
        }
    lost = sorted(wanted - there)
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise IncompatibleModel(f"{what} lacks {lost[0]}{more}; download it again, or {REMEDY}.")
