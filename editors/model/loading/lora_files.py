"""Read LoRAs, as diffusers, peft, kohya's trainers and the authors of transformers write them.

Law: a product is as strong as it was trained to be: its factor α/r is multiplied in wherever it stands beside
the weights, in the file's header or in peft's folder. Where it stands among them, as kohya's trainers have
it, diffusers' loaders multiply it in.
"""

import json
from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path
from typing import Any, Final

from editors.errors import IncompatibleModel, told_as
from editors.files import reason_of
from editors.model.loading.kinds import header_of

Weights = dict[str, Any]
"""Of a LoRA, by names that diffusers' loaders know."""

_WEIGHTS: Final = "adapter_model.safetensors"
_CONFIG: Final = "adapter_config.json"
_HEADER: Final = "lora_adapter_metadata"
"""Under which diffusers writes into a file's header what peft writes beside it."""
_PEFT: Final = "base_model.model."
_FACTORS: Final = {
    "lora_A.": "lora_B.",
    "lora_down.": "lora_up.",
    "lora.down.": "lora.up.",
    "lora_linear_layer.down.": "lora_linear_layer.up.",
}
"""How the two factors of a product are called: each is there once a layer."""
_OTHERS: Final = (
    (("hada_w1", "hada_w2"), "is a LoHa"),
    (("lokr_w1", "lokr_w2"), "is a LoKr"),
    (("oft_blocks", "oft_diag", "oft_R", "boft_"), "is an OFT"),
)
"""Parts of weights' names -> what a file with them is."""


def weights_of(path: Path) -> Weights:
    """Read a LoRA's weights.

    Args:
        path: Its file, or peft's folder.

    Raises:
        IncompatibleModel: There is none, or it is something else.
    """
    from safetensors.torch import load_file

    file = path / _WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise IncompatibleModel(f"lora: there is no LoRA {str(file)!r}; give its .safetensors file.")
    if file.suffix.lower() != ".safetensors":
        raise IncompatibleModel(
            f"lora: {file.name!r} is no .safetensors file, and others can run code; convert it."
        )
    with told_as(
        lambda said: IncompatibleModel(f"lora: {file.name!r} cannot be read ({said}); download it again.")
    ):
        weights = dict(load_file(file))
    header = header_of(file).get("__metadata__", {}).get(_HEADER)
    for parts, what in _OTHERS:
        if any(part in key for key in weights for part in parts):
            raise IncompatibleModel(f"{file.name}: {what}, which is not supported; give a LoRA.")
    if not num_products(weights):
        raise IncompatibleModel(f"{file.name}: is no LoRA: it holds no low-rank weights; give one.")
    return weights if header is None else _as_strong_as(weights, _parsed(header, path), path)


def num_products(weights: Iterable[str]) -> int:
    """Return how many layers a LoRA changes, by the names of its weights."""
    return sum(any(part in name for part in _FACTORS) for name in weights)


def named_by_peft(weights: Iterable[str]) -> bool:
    """Tell whether weights have the names that peft gives them."""
    return any(name.startswith(_PEFT) for name in weights)


def has_config(path: Path) -> bool:
    """Tell whether beside a LoRA stands what peft writes there."""
    return _config_of(path).is_file()


def from_peft(weights: Weights, path: Path, network: str) -> Weights:
    """Return peft's weights of a network under diffusers' names; their factor α/r is multiplied in.

    Raises:
        IncompatibleModel: What stands beside them cannot be read.
    """
    try:
        said = _config_of(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, reason_of(error)) from None
    plain = {name.removeprefix(_PEFT): weight for name, weight in weights.items()}
    strong = _as_strong_as(plain, _parsed(said, path), path)
    return {f"{network}.{name}": weight for name, weight in strong.items()}


def plainly_named(weights: Weights, network: str) -> Weights:
    """Return weights of a network by its own names, whatever stands before them; an α is multiplied in.

    For families whose pipelines have no loader of LoRAs.
    """
    plain: Weights = {}
    for name, weight in weights.items():
        for before in (f"{network}.", "diffusion_model."):
            name = name.removeprefix(before)
        for down, up in _FACTORS.items():
            name = name.replace(down, "lora_A.").replace(up, "lora_B.")
        plain[name.replace(".default.", ".")] = weight
    for layer, down, up in _products(plain):
        alpha = plain.pop(f"{layer}.alpha", None)
        if alpha is not None:
            plain[up] = plain[up] * (float(alpha) / plain[down].shape[0])
    return plain


def _products(weights: Weights) -> list[tuple[str, str, str]]:
    """Return the layers that are changed, each with the names of the product's first and second factor."""
    found = []
    for down in weights:
        factor = next((one for one in _FACTORS if one in down), None)
        if factor is not None and (up := down.replace(factor, _FACTORS[factor])) in weights:
            found.append((down.partition(factor)[0].rstrip("._"), down, up))
    return found


def _as_strong_as(weights: Weights, config: Mapping[str, Any], path: Path) -> Weights:
    """Return weights with the factor α/r that a configuration of peft gives each layer.

    Args:
        weights: By names that begin with their part's, or with nothing.
        config: Of peft; its keys begin with the part's name that they are about, or with nothing.
        path: For the sentence.

    Raises:
        IncompatibleModel: It does not say how strong they are.
    """
    from peft.utils.other import get_pattern_key

    strong = dict(weights)
    for name, down, up in _products(weights):
        part, _, inner = name.partition(".")
        begin = f"{part}."
        own = {key.removeprefix(begin): value for key, value in config.items() if key.startswith(begin)}
        if not own and any("." in key for key in config):
            continue  # the header speaks of other parts alone
        facts, layer = (own, inner) if own else (config, name)
        if "lora_alpha" not in facts:
            raise _unreadable(path, "it names no lora_alpha")
        try:
            alphas = facts.get("alpha_pattern") or {}
            alpha = float(alphas.get(get_pattern_key(list(alphas), layer), facts["lora_alpha"]))
        except (TypeError, ValueError, AttributeError) as error:
            raise _unreadable(path, reason_of(error)) from None
        rank = weights[down].shape[0]
        strong[up] = weights[up] * (alpha / (sqrt(rank) if facts.get("use_rslora") else rank))
    return strong


def _parsed(said: str, path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, reason_of(error)) from None
    if not isinstance(config, dict):
        raise _unreadable(path, "it is no object")
    return config


def _unreadable(path: Path, reason: str) -> IncompatibleModel:
    return IncompatibleModel(
        f"{path.name}: its {_CONFIG} cannot be read ({reason}); peft writes it beside it, or into its header."
    )


def _config_of(path: Path) -> Path:
    """Return where peft writes what it knows of weights, given their file or its folder."""
    return (path if path.is_dir() else path.parent) / _CONFIG
