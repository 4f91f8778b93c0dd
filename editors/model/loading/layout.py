"""Helpers of all loaders: parts of a pipeline, facts of an index, and errors in one sentence.

Law: what a library raises on a damaged or foreign file reaches people as one sentence that names the part.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from editors.errors import IncompatibleModel, told_as
from editors.files import read_text
from editors.model.parts import LAYOUTS, PARTS, XL_PARTS, Parts
from editors.requests.settings import Recommended, checked

REMEDY = "give a folder that save_pretrained() of a diffusers pipeline wrote"
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")

RECOMMENDED_KEY = "_recommended"
"""Where `model_index.json` keeps the settings that suit a model's family: diffusers passes over such keys,
and fetches the file."""
INSTRUCTIONS_KEY = "_instructions"
"""Where it keeps what an edit model says it is good at."""
TAUGHT_KEY = "_taught"
"""Where it keeps all words of the instructions that an edit model learnt from."""
PHRASES_KEY = "_phrases"
"""Where it keeps instructions that may be suggested."""


def parts_of(pipe: Any, name: str) -> Parts:
    """Take the parts of a diffusers pipeline.

    Raises:
        IncompatibleModel: It lacks one.
    """
    is_xl = any(getattr(pipe, part, None) is not None for part in XL_PARTS)
    names = (*PARTS, *(XL_PARTS if is_xl else ()))
    missing = next((part for part in names if getattr(pipe, part, None) is None), None)
    if missing:
        raise IncompatibleModel(
            f"{name}: has no {missing}; give a pipeline of diffusers in the layout of {LAYOUTS}."
        )
    return Parts(
        **{part: getattr(pipe, part) for part in names},
        force_zeros_for_empty_prompt=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
        is_cosxl_edit=bool(getattr(pipe, "is_cosxl_edit", False)),
        recommends=recommended_of(pipe.config, RECOMMENDED_KEY, name),
        instructions=instructions_of(pipe.config, INSTRUCTIONS_KEY, name),
        taught=instructions_of(pipe.config, TAUGHT_KEY, name),
        phrases=instructions_of(pipe.config, PHRASES_KEY, name),
    )


def recommended_of(facts: Mapping[str, Any], key: str, name: str) -> Recommended:
    """Return the settings that a model's files recommend.

    Args:
        facts: What the file says.
        key: Where it says it.
        name: The model's, for the sentence.

    Raises:
        IncompatibleModel: They are none.
    """
    found = facts.get(key, {})
    try:
        return checked(found)
    except ValueError:
        raise IncompatibleModel(
            f"{name}: recommends {found!r}, which are no steps, guidance scales or windows; mend or remove "
            f"{key!r} in its JSON file."
        ) from None


def instructions_of(facts: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    """Return the instructions, or words, that a model's files list; none where they say nothing of them.

    Args:
        facts: What the file says.
        key: Where it says it.
        name: The model's, for the sentence.

    Raises:
        IncompatibleModel: They are no list of sentences.
    """
    found = facts.get(key, ())
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) and one.strip() for one in found):
        raise IncompatibleModel(
            f"{name}: says {found!r}, which is no list of instructions or words; mend or remove {key!r} in "
            "its JSON file."
        )
    return tuple(found)


@contextlib.contextmanager
def explained(name: str, part: str) -> Iterator[None]:
    """Turn what a loader raises into one sentence that names the model and the part."""

    def tell(reason: str) -> IncompatibleModel:
        return IncompatibleModel(
            f"{name}: its {part} cannot be read ({reason}); download it again, or {REMEDY}."
        )

    try:
        with told_as(tell):
            yield
    except IncompatibleModel as error:
        missing = error.__cause__
        if isinstance(missing, FileNotFoundError):
            lost = Path(missing.filename).name if missing.filename else part
            raise IncompatibleModel(f"{name}: lacks {lost} of its {part}; {REMEDY}.") from None
        raise


def read_object(path: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a file of a model.

    Raises:
        IncompatibleModel: There is no such file, or something else in it.
    """
    with explained(name, path.name):
        found = json.loads(read_text(path))
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")
        return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back the libraries' loading bars and reports; what matters of them becomes a sentence of ours."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, bar) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            (library.enable_progress_bar if bar else library.disable_progress_bar)()
