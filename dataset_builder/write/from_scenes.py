"""Write triplets exactly and offline: each prompt is a scene, and its edit is an exact edit of that scene.

Law: the three texts are true of the two scenes, because all of them are computed from the scenes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dataset_builder import records, scenes
from dataset_builder.write.captions import Prompts, PromptSource, scene_of
from dataset_builder.write.ledger import ACCEPTED, Ledger, Line
from dataset_builder.write.rules import rejection


class SceneWriter:
    """Edits the scenes that the prompts say."""

    def __init__(self, source: PromptSource, prompts: Prompts, ledger: Ledger) -> None:
        self._source = source
        self._prompts = prompts
        self._ledger = ledger

    def write(self, numbers: Sequence[int]) -> Iterator[Line]:
        """Edit the scenes of some prompts; yield the ledger's new lines."""
        for number in numbers:
            edit = self._edit(number)
            line = _line(number, self._prompts.texts[number], edit)
            self._ledger.keep(line)
            yield line

    def known(self, number: int) -> Mapping[str, str]:
        """Return what else is known of a triplet: the kind of its edit, both scenes, their split."""
        edit = self._edit(number)
        assert edit is not None, "a triplet of this number was accepted"
        return {
            records.KIND: edit.kind,
            records.ORIGINAL_SCENE: edit.original.to_json(),
            records.EDITED_SCENE: edit.edited.to_json(),
            records.SPLIT: self._source.split,
        }

    def _edit(self, number: int) -> scenes.SceneEdit | None:
        """Return the edit of a prompt's scene."""
        seed = self._prompts.scene_seeds[number]
        return scenes.sample_edit(scene_of(self._source, seed), seed)


def _line(number: int, prompt: str, edit: scenes.SceneEdit | None) -> Line:
    """Return the ledger's line for an edit."""
    if edit is None:
        return Line(number=number, attempt=0, outcome="no_edit", final=True)
    edited = scenes.caption(edit.edited)
    return Line(
        number=number,
        attempt=0,
        outcome=rejection(prompt, edit.edit_prompt, edited) or ACCEPTED,
        final=True,
        edit_prompt=edit.edit_prompt,
        edited_prompt=edited,
    )
