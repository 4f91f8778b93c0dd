"""Sources of original prompts: the scene grammar, a text file, a jsonl file, a column of a HF dataset.

Law: a prompt is there once; what is left out is counted by its reason, so that the counts add up to what was
read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dataset_builder.errors import InvalidJob
from dataset_builder.shards.storage import hash_bytes, hash_file, hash_json
from dataset_builder.write.rules import MAX_CAPTION, plain, same_words
from editors.errors import told_as
from editors.files import read_text, reason_of, user_path

SCENES: Final = "scenes"
JSONL: Final = ".jsonl"
TEXT: Final = ".txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSource:
    """A source of original prompts.

    Attributes:
        prompts: "scenes", a file (.jsonl: one object a line; any other: one caption a line), or the folder or
            Hub name of a Hugging Face dataset.
        column: Column of the captions in a jsonl file or a dataset.
        split: Split of the dataset, or of the world.
        num: How many prompts at most; None takes all.
        world: World of the scenes.
        seed: Start of the scenes' randomness.
    """

    prompts: str
    column: str
    split: str
    num: int | None
    world: str
    seed: int

    @property
    def is_file(self) -> bool:
        """Whether the prompts stand in a file."""
        return self.prompts != SCENES and (
            user_path(self.prompts).suffix in (JSONL, TEXT) or user_path(self.prompts).is_file()
        )

    def config(self) -> dict[str, Any]:
        """Return what the prompts depend on; a file by its content.

        Raises:
            InvalidJob: The file cannot be read.
        """
        if self.prompts == SCENES:
            return {
                "grammar": _grammar_hash(),
                "num": self.num,
                "prompts": SCENES,
                "seed": self.seed,
                "split": self.split,
                "world": self.world,
            }
        if not self.is_file:
            return {"column": self.column, "num": self.num, "prompts": self.prompts, "split": self.split}
        try:
            content = hash_file(user_path(self.prompts))
        except OSError as error:
            raise _unreadable(self.prompts, error) from error
        column = self.column if user_path(self.prompts).suffix == JSONL else None
        return {"column": column, "num": self.num, "prompts": content}


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompts:
    """Original prompts, each once.

    Attributes:
        texts: The prompts, in the order of their source.
        dropped: What was left out, by reason.
        scene_seeds: The seed of each prompt's scene, where they are scenes.
    """

    texts: tuple[str, ...]
    dropped: Mapping[str, int]
    scene_seeds: tuple[int, ...] = ()

    @property
    def hash(self) -> str:
        """Return one hash over the prompts."""
        return hash_json(self.texts)


def read_prompts(source: PromptSource) -> Prompts:
    """Read the prompts of a source.

    Raises:
        InvalidJob: There is no such source, it has no such column, or it holds no prompt.
    """
    if source.prompts == SCENES:
        return _scene_prompts(source)
    rows = _file_rows(source) if source.is_file else _dataset_rows(source)
    texts, dropped = _distinct(rows, source.num)
    if not texts:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "nothing in it"
        raise InvalidJob(f"prompts: {source.prompts} holds no prompt ({reasons}); give one caption a line.")
    return Prompts(texts=tuple(texts), dropped=MappingProxyType(dropped))


def _distinct(rows: Iterable[object], num: int | None) -> tuple[list[str], dict[str, int]]:
    """Return the prompts among some rows, each once, and the others counted by reason."""
    texts: list[str] = []
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    if num is not None and num <= 0:
        return texts, dict(dropped)
    for row in rows:
        text = plain(row) if isinstance(row, str) else ""
        words = same_words(text)
        if not words:
            dropped["empty"] += 1
        elif len(text) > MAX_CAPTION:
            dropped["too_long"] += 1
        elif words in seen:
            dropped["duplicate"] += 1
        else:
            seen.add(words)
            texts.append(text)
            if len(texts) == num:
                break
    return texts, dict(sorted(dropped.items()))


def _file_rows(source: PromptSource) -> Iterator[object]:
    """Yield the captions of a file."""
    path = user_path(source.prompts)
    try:
        lines = read_text(path).removesuffix("\n").split("\n")
    except (OSError, UnicodeError) as error:
        raise _unreadable(source.prompts, error) from error
    if path.suffix != JSONL:
        yield from lines
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidJob(f"prompts: line {number} of {path} is no JSON ({error}); mend it.") from error
        if not isinstance(row, dict):
            raise InvalidJob(f"prompts: line {number} of {path} is no JSON object; mend it.")
        if source.column not in row:
            raise _no_column(source, row)
        yield row[source.column]


def _dataset_rows(source: PromptSource) -> Iterator[object]:
    """Yield the captions of a Hugging Face dataset; only their column is read."""
    try:
        import datasets
    except ImportError as error:
        raise InvalidJob(
            f"prompts: {source.prompts} is no file, and reading a Hugging Face dataset needs the package "
            "`datasets`; install wordbrush[train], or give a file."
        ) from error
    try:
        rows = datasets.load_dataset(source.prompts, split=source.split, streaming=True)
        names = rows.column_names or list(next(iter(rows)))
    except Exception as error:  # the library has no error of its own for "cannot be had"
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidJob(
            f"prompts: {source.prompts} is neither 'scenes' nor a file, and no dataset of that name with a "
            f"split {source.split!r} can be read ({why}); check the name."
        ) from error
    if source.column not in names:
        raise _no_column(source, names)
    with told_as(
        lambda reason: InvalidJob(
            f"prompts: {source.prompts} cannot be read to its end ({reason}); run again."
        )
    ):
        for row in rows.select_columns([source.column]):
            yield row[source.column]


def _scene_prompts(source: PromptSource) -> Prompts:
    """Draw scenes until there are so many distinct captions."""
    from dataset_builder import scenes

    if source.num is None:
        raise InvalidJob("num is None, but the grammar of scenes never ends; say how many prompts.")
    found: dict[str, tuple[int, str]] = {}
    attempts = 20 * source.num + 1000
    for attempt in range(attempts):
        seed = int(hash_json([source.seed, source.split, "prompt", attempt])[:12], 16)
        text = scenes.caption(scene_of(source, seed))
        found.setdefault(same_words(text), (seed, text))
        if len(found) == source.num:
            seeds, texts = zip(*found.values(), strict=True)
            dropped = {"duplicate": attempt + 1 - source.num}
            return Prompts(texts=texts, dropped=dropped, scene_seeds=seeds)
    raise InvalidJob(
        f"num is {source.num}, but world {source.world} gave {len(found)} captions in {attempts} draws; "
        "ask for fewer."
    )


def scene_of(source: PromptSource, seed: int) -> Any:
    """Return the scene that a prompt says."""
    from dataset_builder import scenes

    return scenes.sample_scene(seed, world=scenes.WORLDS[source.world], split=source.split)  # type: ignore[arg-type]


def _grammar_hash() -> str:
    """Return one hash over the sources of the grammar: words of two versions never mix in one job."""
    from dataset_builder import scenes

    folder = Path(scenes.__file__).parent
    return hash_json({path.name: hash_bytes(path.read_bytes()) for path in sorted(folder.glob("*.py"))})


def _unreadable(name: str, error: Exception) -> InvalidJob:
    """Return the error of a file that cannot be read."""
    return InvalidJob(f"prompts: {name} cannot be read ({reason_of(error)}); give a text file in UTF-8.")


def _no_column(source: PromptSource, names: Iterable[str]) -> InvalidJob:
    """Return the error of a column that is not there."""
    return InvalidJob(
        f"column is {source.column!r}, but {source.prompts} has {', '.join(map(str, names))}; name one of "
        "them."
    )
