"""`model_index.json`: which parts a pipeline has, of which classes, and whether that is a layout of ours.

Law: what cannot be used is said before a weight is read or fetched; code that a repository brings is never
run.
"""

from collections.abc import Mapping
from typing import Any

from editors.errors import IncompatibleModel
from editors.model.loading.layout import REMEDY
from editors.model.parts import (
    DREAMLITE,
    DREAMLITE_NETWORKS,
    DREAMLITE_PARTS,
    LAYOUTS,
    NETWORKS,
    PARTS,
    XL_PARTS,
)


def index_of(facts: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a pipeline's parts, each with its library and class; those it does without are [null, null]."""
    lists = {part: info for part, info in facts.items() if isinstance(info, list | tuple) and len(info) == 2}
    return {part: list(info) for part, info in lists.items() if info[1] is not None}


def part_names(facts: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the parts that a folder's layout needs.

    Raises:
        IncompatibleModel: It is a layout that is not supported.
    """
    if facts.get("_class_name") in DREAMLITE:
        return DREAMLITE_PARTS
    index = index_of(facts)
    if "transformer" in index:
        raise IncompatibleModel(
            f"{name}: is a diffusion transformer ({index['transformer'][1]}), which has no UNet; give a "
            f"model in the layout of {LAYOUTS}."
        )
    if not any(part in index for part in XL_PARTS):
        return PARTS
    if "text_encoder" not in index:
        raise IncompatibleModel(
            f"{name}: is a refiner, which only finishes pictures; give the base model of Stable Diffusion XL."
        )
    return (*PARTS, *XL_PARTS)


def require_known_code(index: dict[str, list[Any]], names: tuple[str, ...], name: str) -> None:
    """Require that every part is a class of the libraries, and that UNet and VAE are of the known layout.

    Raises:
        IncompatibleModel: A part is not.
    """
    for part in names:
        library = "diffusers" if part in ("unet", "vae") else "transformers"
        if part != "scheduler" and index[part][0] != library:
            raise IncompatibleModel(
                f"{name}: its {part} is code of its own ({index[part][0]}), which is never run; {REMEDY}."
            )
    wanted = DREAMLITE_NETWORKS if names == DREAMLITE_PARTS else NETWORKS
    if "unet" in names and (index["unet"][1], index["vae"][1]) != wanted:
        raise IncompatibleModel(
            f"{name}: is made of {index['unet'][1]} and {index['vae'][1]}; give a model in the layout of "
            f"{LAYOUTS}."
        )
