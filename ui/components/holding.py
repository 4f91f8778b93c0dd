"""Results held to where their words act: another one is made of what is kept, and nothing is drawn."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from editors import EditFailed, EditResult, InstructionEdit
from editors.files import reason_of
from editors.pictures.images import read_mask, read_picture
from editors.requests.recipe import read_recipe, save_png
from editors.requests.rules import reference
from ui.components.history import Entry, save_small, writing


def keep_held(entry: Entry, result: EditResult, folder: Path) -> Entry:
    """Write what `held_to` made of an entry; all but the picture is the entry's own, and stays where it is.

    A browser that was shown the one a moment ago is still fetching what both have.

    Raises:
        EditFailed: It cannot be written.
    """
    assert isinstance(result.edit, InstructionEdit)
    with writing():
        place = Path(tempfile.mkdtemp(dir=folder))
        edited, thumbnail = place / entry.edited.name, place / entry.thumbnail.name
        save_png(result, edited)
        save_small(result.edited_image, thumbnail)
    return replace(
        entry,
        edited=edited,
        thumbnail=thumbnail,
        outdated=(),
        settings={**entry.settings, "only": result.edit.only},
        edited_reference=reference(result.edited_image),
        is_held=True,
    )


def held_to(entry: Entry, only: float) -> EditResult | None:
    """Return a result as it would be at another `only`: nothing is drawn; None where nobody asked for that.

    Raises:
        EditorError: One of its files is no longer there, or cannot be read.
    """
    if entry.relevance is None or entry.everywhere is None:
        return None
    recipe = read_recipe(entry.edited)
    original, everywhere = (
        read_picture("original_image", path).with_alpha() for path in (entry.original, entry.everywhere)
    )
    mask = None if entry.mask is None else read_mask("mask", entry.mask, original.size)
    try:
        relevance = np.load(entry.relevance)
    except OSError as error:
        raise EditFailed(f"The result cannot be read ({reason_of(error)}); make it again.") from None
    from editors.relevance import Reach  # torch: the page stands before that is loaded

    reach = Reach(relevance=relevance, original=original, everywhere=everywhere, mask=mask)
    edit = InstructionEdit(**{**entry.settings, "original_image": original, "mask": entry.mask, "only": only})
    assert edit.seed is not None  # that of the result
    return EditResult(
        edited_image=reach.at(only),
        original_image=original,
        edit=edit,
        seed=edit.seed,
        num_unet_rows=0,
        seconds=0.0,
        model=recipe.model,
        scheduler=recipe.scheduler,
        reach=reach,
        notes=reach.notes(only),
    )
