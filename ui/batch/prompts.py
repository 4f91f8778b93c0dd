"""Prompt edits from a file: one JSON object a line, with the fields of `PromptEdit`.

The lines that `wordbrush data write` writes, and the published triplets of InstructPix2Pix, are read as they
are: their instruction is left aside. A line may name its photo, `original_image`, seen from the file's
folder.

Law: a line is an edit or an error that names it; none is passed over.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dataset_builder import records
from dataset_builder.render.triplets import CARRIED, ID, PUBLISHED_NAMES
from editors.errors import InvalidEdit
from editors.files import user_path
from editors.requests.edits import PromptEdit
from ui.errors import InvalidOption

_ASIDE: Final = frozenset({ID, *CARRIED, *PUBLISHED_NAMES[records.EDIT_PROMPT]})
"""Columns of triplets that say nothing of how a picture is edited."""
_OURS: Final[Mapping[str, str]] = {
    name: column
    for column, names in PUBLISHED_NAMES.items()
    if column != records.EDIT_PROMPT
    for name in names
}


def prompt_edit_of(
    line: str, where: str, folder: Path, template: PromptEdit
) -> tuple[PromptEdit, dict[str, Any]]:
    """Read one line.

    Args:
        line: The text.
        where: What people call it.
        folder: Of the file, from which photos are named.
        template: Gives the fields that the line does not name.

    Returns:
        The edit, and what the line says of it.

    Raises:
        InvalidOption: The line is no edit.
    """
    fields: dict[str, Any] | None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise InvalidOption(
            f'{where} is no JSON object; write {{"original_prompt": "a cat", "edited_prompt": "a dog"}}.'
        )
    said = {_OURS.get(name, name): value for name, value in fields.items() if name not in _ASIDE}
    if isinstance(photo := said.get(records.ORIGINAL_IMAGE), str):
        said[records.ORIGINAL_IMAGE] = str((folder / user_path(photo)).absolute())
    try:
        return _changed(template, said), said
    except InvalidEdit as error:
        raise InvalidOption(f"{where}: {error}") from None


def _changed(template: PromptEdit, said: Mapping[str, Any]) -> PromptEdit:
    """Return a request with other values, as `PromptEdit.from_json` takes them."""
    for name in (records.ORIGINAL_PROMPT, records.EDITED_PROMPT):
        if name not in said:
            raise InvalidEdit(name, "is missing; each line needs it.")
    own = PromptEdit.from_json(json.dumps(said))
    return replace(template, **{name: getattr(own, name) for name in said})
