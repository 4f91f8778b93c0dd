"""The tools of rendering: an editor that draws pairs and a scorer that looks at them, one of each a process.

Law: a fingerprint changes with the weights and with nothing else, so a model may move between two runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

import editors
from dataset_builder.errors import InvalidJob
from dataset_builder.records import ClipScores
from dataset_builder.shards.storage import hash_file, hash_json
from editors.files import user_path
from editors.requests.edits import PromptEdit
from editors.requests.results import EditResult

if TYPE_CHECKING:
    from dataset_builder.render.plan import RenderJob

NO_SCORER: Final = "none"
_HUB_NAME: Final = re.compile(r"[\w-]+/[\w.-]+")
# Found with the scorer, and no part of it.
_THRESHOLDS: Final = "thresholds.json"
_NOT_WEIGHTS: Final = frozenset({".md", ".jpg", ".png"})


class PairEditor(Protocol):
    """Draws both pictures of many edits; `editors.PromptToPromptEditor` is one."""

    def edit_many(self, edits: Sequence[PromptEdit], *, batch_size: int = 8) -> list[EditResult]:
        """Draw the pairs, in order."""
        ...


Score = Callable[
    [Sequence[NDArray[np.uint8]], Sequence[NDArray[np.uint8]], Sequence[str], Sequence[str]], list[ClipScores]
]
"""(originals, edited, original prompts, edited prompts) -> scores; pictures (H, W, 3)."""


@dataclass(frozen=True, slots=True)
class RenderTools:
    """An editor, and what scores its pairs, if anything does."""

    editor: PairEditor
    score: Score | None


@lru_cache(maxsize=1)
def _loaded(model: str, scheduler: str | None, scorer: str, device: str | None) -> RenderTools:
    """Load what a process needs, once."""
    import torch

    from editors.prompt_to_prompt.editor import PromptToPromptEditor

    # All edits of an original are drawn together: there is nothing to remember for later ones.
    editor = PromptToPromptEditor.from_pretrained(model, device=device, scheduler=scheduler, cache_bytes=0)
    # A fifth faster on the CPU, whose convolutions want the channels last anyway; GPUs like it, too.
    editor.model.network.module.to(memory_format=torch.channels_last)
    return RenderTools(editor, None if scorer == NO_SCORER else scoring(scorer, device))


def scoring(name: str, device: str | None) -> Score:
    """Return a function that scores with a model.

    Raises:
        DatasetError: There is no such scorer.
    """
    from dataset_builder.render.clip import Scorer, clip_scores

    scorer = Scorer.from_pretrained(name, device=device)

    def score(
        originals: Sequence[NDArray[np.uint8]],
        edited: Sequence[NDArray[np.uint8]],
        original_prompts: Sequence[str],
        edited_prompts: Sequence[str],
    ) -> list[ClipScores]:
        return clip_scores(scorer, np.stack(originals), np.stack(edited), original_prompts, edited_prompts)

    return score


def load_tools(job: RenderJob) -> RenderTools:
    """Load the models of a job, or return those that this process has.

    Raises:
        EditorError: There is no such model, or it draws no pairs.
        DatasetError: There is no such scorer.
    """
    return _loaded(job.model, job.scheduler, job.scorer, job.device)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: how sums are split between threads changes their last bits.

    Jobs, not threads, fill a machine's cores here: a process each, and equal bytes from any number of them.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def model_fingerprint(name: str) -> str:
    """Return what tells a drawing model from others; see `fingerprint`."""
    place = Path(editors.__file__).parent / "pocket" if name == "pocket" else user_path(name)
    # A family's edit model has no part in drawing pairs.
    return fingerprint(name, place, field="model", idle="edit" if (place / "pocket.json").is_file() else "")


def scorer_fingerprint(name: str) -> str:
    """Return what tells a scorer from others; see `fingerprint`."""
    shipped = Path(__file__).parents[1] / "weights" / "scorer"
    return fingerprint(name, shipped if name == "pocket" else user_path(name), field="scorer")


def fingerprint(name: str, place: Path, *, field: str = "model", idle: str = "") -> str:
    """Return a hash of a model's files, or the name of one that is not on this machine but on the Hub.

    Args:
        name: What it is called.
        place: Where it would be.
        field: What it is for, for the sentence.
        idle: A folder in there that has no part in it.

    Raises:
        InvalidJob: It is not there, and its name is none of the Hub's.
    """
    if place.is_file():
        return hash_file(place)
    if not place.is_dir():
        if _HUB_NAME.fullmatch(name) is None and name != NO_SCORER:
            raise InvalidJob(
                f"{field} is {name!r}, but there is no file or folder {place}; name one that is there."
            )
        return name
    files = [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and path.suffix not in _NOT_WEIGHTS
        and path.name != _THRESHOLDS
        and place / (idle or ".none") not in path.parents
    ]
    return hash_json({path.relative_to(place).as_posix(): hash_file(path) for path in files})
