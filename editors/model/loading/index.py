"""`model_index.json`: which parts a pipeline has, of which classes, and whether that is a layout of ours.

Law: what cannot be used is said before a weight is read or fetched; code that a repository brings is never
run.
"""

from collections.abc import Mapping
from typing import Any

from editors.errors import IncompatibleModel
from editors.model.loading.layout import REMEDY
from editors.model.parts import FAMILIES, LAYOUTS, PARTS, STABLE_DIFFUSION, XL_PARTS


def index_of(facts: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a pipeline's parts, each with its library and class; those it does without are [null, null]."""
    lists = {part: info for part, info in facts.items() if isinstance(info, list | tuple) and len(info) == 2}
    return {part: list(info) for part, info in lists.items() if info[1] is not None}


def part_names(facts: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the parts that a folder's layout needs.

    Raises:
        IncompatibleModel: It is a layout that is not supported.
    """
    family = FAMILIES.get(str(facts.get("_class_name")))
    index = index_of(facts)
    if family is not None:
        return tuple(part for part in family.parts if part in index or part not in family.dispensable)
    if "transformer" in index:
        raise IncompatibleModel(
            f"{name}: is a diffusion transformer ({index['transformer'][1]}) of {facts.get('_class_name')}, "
            f"which is not read; give a model in the layout of {LAYOUTS}."
        )
    if not any(part in index for part in XL_PARTS):
        return PARTS
    if "text_encoder" not in index:
        raise IncompatibleModel(
            f"{name}: is a refiner, which only finishes pictures; give the base model of Stable Diffusion XL."
        )
    return (*PARTS, *XL_PARTS)


def require_known_code(facts: Mapping[str, Any], names: tuple[str, ...], name: str) -> None:
    """Require that every part is a class of the libraries, and that the networks are of the known layout.

    Raises:
        IncompatibleModel: A part is not.
    """
    index = index_of(facts)
    family = FAMILIES.get(str(facts.get("_class_name")), STABLE_DIFFUSION)
    for part in names:
        library = "diffusers" if part in family.networks else "transformers"
        if part != "scheduler" and index[part][0] != library:
            raise IncompatibleModel(
                f"{name}: its {part} is code of its own ({index[part][0]}), which is never run; {REMEDY}."
            )
    found = {part: index[part][1] for part in family.networks if part in names}
    if any(found[part] != family.networks[part] for part in found):
        raise IncompatibleModel(
            f"{name}: is made of {' and '.join(found.values())}; give a model in the layout of {LAYOUTS}."
        )
