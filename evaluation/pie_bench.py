"""PIE-Bench as it is published: a mapping file beside pictures, and what each entry says.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion: Boosting
Diffusion-based Editing with 3 Lines of Code" (2023, arXiv 2310.01506), §4.

Law: an entry is read whole or is an error that names it; nothing is left out in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.files import file_beside
from dataset_builder.shards.storage import hash_json
from editors.errors import EditorError
from editors.files import read_text
from editors.pictures.images import read_picture

MAPPING_FILE: Final = "mapping_file.json"
PICTURES_FOLDER: Final = "annotation_images"
EDITING_TYPES: Final = {
    "0": "random",
    "1": "change object",
    "2": "add object",
    "3": "delete object",
    "4": "change content",
    "5": "change pose",
    "6": "change colour",
    "7": "change material",
    "8": "change background",
    "9": "change style",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PieCase:
    """One entry of the mapping file.

    Attributes:
        key: Its name.
        image_path: The picture, from the folder of pictures.
        original_prompt: What can be seen on it.
        edited_prompt: What should be seen after the edit.
        edit_prompt: The edit as an instruction.
        editing_type: Kind of the edit, in words.
        blended_words: The word of each prompt that the edit is about; empty where there is none.
        runs: The edited region, as start and length of runs in the picture's pixels, row by row.
    """

    key: str
    image_path: str
    original_prompt: str
    edited_prompt: str
    edit_prompt: str
    editing_type: str
    blended_words: tuple[str, ...]
    runs: tuple[int, ...]

    @classmethod
    def of(cls, key: str, entry: Mapping[str, Any]) -> PieCase:
        """Read an entry; the brackets in prompts only mark what differs.

        Raises:
            UnreadableDataset: It lacks a field, or one cannot be read.
        """
        try:
            kind, words = str(entry["editing_type_id"]), str(entry["blended_word"]).split()
            runs = tuple(int(number) for number in entry["mask"])
            original, edited = (
                str(entry[name]).replace("[", "").replace("]", "")
                for name in ("original_prompt", "editing_prompt")
            )
            case = cls(
                key=key,
                image_path=str(entry["image_path"]),
                original_prompt=original,
                edited_prompt=edited,
                edit_prompt=str(entry["editing_instruction"]),
                editing_type=EDITING_TYPES[kind],
                blended_words=tuple(words),
                runs=runs,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableDataset(
                f"{MAPPING_FILE}: entry {key!r} cannot be read ({type(error).__name__}: {error}); compare it "
                "with PIE-Bench's."
            ) from error
        if len(runs) % 2 or len(words) not in (0, 2):
            raise UnreadableDataset(
                f"{MAPPING_FILE}: entry {key!r} has a mask of {len(runs)} numbers and {len(words)} blended "
                "words; allowed are pairs of start and length, and one word for each prompt or none."
            )
        return case

    def edited_region(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return where the picture may change, (H, W); its outermost pixels always may, as published."""
        flat = np.zeros(height * width, dtype=bool)
        for start, length in zip(self.runs[::2], self.runs[1::2], strict=True):
            if not (start >= 0 and length >= 0 and start + length <= height * width):
                raise UnreadableDataset(
                    f"{MAPPING_FILE}: entry {self.key!r} has a mask from pixel {start} to {start + length}, "
                    f"but its picture is {width}×{height}; give the picture it was drawn on."
                )
            flat[start : start + length] = True
        region = flat.reshape(height, width)
        region[[0, -1]] = region[:, [0, -1]] = True
        return region


@dataclass(frozen=True, kw_only=True, slots=True)
class PieBench:
    """A folder in PIE-Bench's layout.

    Attributes:
        folder: Where it is.
        cases: Its entries, in the order of the file.
        data_hash: Of the entries.
    """

    folder: Path
    cases: tuple[PieCase, ...]
    data_hash: str

    @classmethod
    def read(cls, folder: Path) -> PieBench:
        """Read a folder's mapping file.

        Raises:
            UnreadableDataset: It is no such folder, or an entry cannot be read.
        """
        path = folder / MAPPING_FILE
        try:
            entries = json.loads(read_text(path))
        except (OSError, ValueError) as error:
            raise UnreadableDataset(
                f"{path} cannot be read ({type(error).__name__}); give a folder in PIE-Bench's layout: "
                f"{MAPPING_FILE} beside {PICTURES_FOLDER}/."
            ) from error
        if not isinstance(entries, dict) or not entries:
            raise UnreadableDataset(f"{path} lists no pictures; give a folder in PIE-Bench's layout.")
        return cls(
            folder=folder,
            cases=tuple(PieCase.of(key, entry) for key, entry in entries.items()),
            data_hash=hash_json(entries),
        )

    def head(self, num: int) -> PieBench:
        """Return the first entries alone, having made sure that their pictures are there.

        Raises:
            UnreadableDataset: One is missing, or lies elsewhere.
        """
        few = replace(self, cases=self.cases[:num])
        for case in few.cases:
            if not few.path(case).is_file():
                raise UnreadableDataset(
                    f"{few.path(case)} is missing, which entry {case.key!r} names; fetch the pictures again."
                )
        return few

    def path(self, case: PieCase) -> Path:
        """Return where a case's picture is.

        Raises:
            UnreadableDataset: Its name leads out of the folder.
        """
        found = file_beside(self.folder / PICTURES_FOLDER, case.image_path)
        if found is None:
            raise UnreadableDataset(
                f"{MAPPING_FILE}: entry {case.key!r} names {case.image_path!r}, which leads out of "
                f"{PICTURES_FOLDER}/; name a picture in there."
            )
        return found.path

    def picture(self, case: PieCase) -> Image.Image:
        """Return a case's picture, upright RGB.

        Raises:
            UnreadableDataset: It cannot be decoded.
        """
        try:
            return read_picture(case.image_path, self.path(case)).on_white()
        except EditorError as error:
            raise UnreadableDataset(str(error)) from error
