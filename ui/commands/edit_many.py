"""`wordbrush edit` and `wordbrush prompt-edit` of many pictures, into a folder.

Law: whatever can be refused without a model is refused before one is loaded, and where all is done none is.
"""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import typer

from dataset_builder.shards.storage import locked, remove_leftovers
from editors.files import read_text, reason_of
from editors.requests.edits import InstructionEdit, PromptEdit
from editors.requests.picture import Picture
from editors.requests.results import EditT
from editors.requests.rules import NUM_SEEDS
from ui.batch.carry_out import ORIGINAL, Asked, Ended, ManyEdits, Plan, carried_out
from ui.batch.ledger import Ledger, Wanted
from ui.batch.names import result_name, slug
from ui.batch.prompts import prompt_edit_of
from ui.batch.sources import Source, Sources
from ui.errors import InvalidOption, PartlyDone, UnusablePlace
from ui.progress import progress_bar
from ui.server import terminal

Reader = Callable[[Path], Picture]
_SHOWN: Final = 5
"""Names that are told of pictures that failed for one reason."""


def folder_place(out: Path | None) -> Path:
    """Return the folder that many results go into.

    Raises:
        InvalidOption: None is named.
        UnusablePlace: It is a file, or named like one.
    """
    if out is None:
        raise InvalidOption("--out: several results go into a folder; name one.")
    if (out.exists() and not out.is_dir()) or (out.suffix.lower() == ".png" and not out.exists()):
        raise UnusablePlace(f"--out: {str(out)!r} is one file, and several results come; name a folder.")
    return out


def edit_folder(
    sources: Sources,
    instructions: Sequence[str],
    out: Path,
    template: InstructionEdit,
    made_with: Mapping[str, Any],
    load: Callable[[], ManyEdits[InstructionEdit]],
    *,
    batch_size: int | None,
    as_json: bool,
) -> None:
    """Edit pictures by instructions.

    Args:
        sources: The pictures.
        instructions: All are carried out on each picture.
        out: Folder of the results.
        template: A request with the settings that all share.
        made_with: What else they share: the model.
        load: Loads the editor.
        batch_size: Edits that go through the network together; None takes the editor's own.
        as_json: Whether the report is one object.

    Raises:
        UnusablePlace: The results would be found as pictures the next time, or the folder holds others.
    """
    if sources.would_find(out):
        raise UnusablePlace(
            f"--out: results in {str(out)!r} would be edited again the next time; choose a folder apart."
        )
    with _held(out) as ledger:
        shared = _shared(ledger, template, made_with)
        pictures = [one for one in sources.pictures if not ledger.is_result(one.path)]
        own = len(sources.pictures) - len(pictures)
        read = _reader()
        asked = [
            one
            for picture in pictures
            for one in _edits_of(picture, instructions, template, shared["seed"], read)
        ]
        said = f"of {len(pictures)} pictures" + (f", {own} more are results of this folder" if own else "")
        _run(Plan.of(asked, ledger), load, batch_size, said=said, as_json=as_json)


def instructions_of(words: str | None, more: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Return the instructions of a command line, each once.

    Args:
        words: Of the argument, or None.
        more: Of `--instruction`.
        file: Of `--instructions`: a line each; empty ones, and those that begin with #, are none.

    Raises:
        InvalidOption: The file cannot be read, or holds none.
    """
    lines = [] if file is None else [line for _, line in numbered_lines_of(file, "--instructions")]
    return tuple(dict.fromkeys([*([] if words is None else [words]), *more, *lines]))


def numbered_lines_of(file: Path, option: str) -> list[tuple[int, str]]:
    """Return the lines of a text file that say something, with their numbers.

    Raises:
        InvalidOption: It cannot be read, or none does.
    """
    try:
        lines = [line.strip() for line in read_text(file).splitlines()]
    except OSError as error:
        raise InvalidOption(f"{option}: {str(file)!r} cannot be read ({reason_of(error)}).") from None
    except UnicodeError:
        raise InvalidOption(f"{option}: {str(file)!r} is no text in UTF-8; save it as UTF-8.") from None
    found = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not found:
        raise InvalidOption(f"{option}: {str(file)!r} says nothing; write one a line.")
    return found


def prompt_edit_folder(
    prompts: Path,
    out: Path,
    template: PromptEdit,
    made_with: Mapping[str, Any],
    load: Callable[[bool], ManyEdits[PromptEdit]],
    *,
    batch_size: int | None,
    as_json: bool,
) -> None:
    """Carry out the prompt edits of a file.

    Args:
        prompts: The file.
        out: As of `edit_folder`, and all that follows; of a template the prompts are no matter.
        template: Gives what a line does not say.
        made_with: What all share besides.
        load: Loads the editor; told whether there are photos.
        batch_size: Edits that go through the network together.
        as_json: Whether the report is one object.
    """
    edits = [
        prompt_edit_of(line, f"--prompts: line {number} of {str(prompts)!r}", prompts.parent, template)
        for number, line in numbered_lines_of(prompts, "--prompts")
    ]
    with _held(out) as ledger:
        seed = _shared(ledger, template, made_with)["seed"]
        asked = {one.wanted.key: one for one in (_drawn(edit, said, seed) for edit, said in edits)}
        has_photos = any(edit.original_image is not None for edit, _ in edits)
        plan = Plan.of(tuple(asked.values()), ledger)
        _run(plan, lambda: load(has_photos), batch_size, said=f"of {len(edits)} lines", as_json=as_json)


def _drawn(edit: PromptEdit, said: Mapping[str, Any], seed: int) -> Asked[PromptEdit]:
    """Return what is asked for by a line."""
    photo = edit.original_image
    is_file = isinstance(photo, str | Path) and Path(photo).is_file()
    wanted = Wanted(
        of=dict(said),
        state=_state(Path(photo)) if isinstance(photo, str | Path) and is_file else {},
        name=Path(f"{slug(edit.edited_prompt)}.png"),
        marks=("",) if photo is not None else ("", ORIGINAL),
    )
    request = edit if edit.seed is not None else replace(edit, seed=seed)
    return Asked(label=edit.edited_prompt, wanted=wanted, request=lambda: request)


def _reader() -> Reader:
    """Return what decodes a picture once for all that is asked of it in a row; one is held at a time."""

    @lru_cache(maxsize=1)
    def read(path: Path) -> Picture:
        from editors.pictures.images import read_picture  # numpy: only now

        return read_picture("original_image", path)

    return read


@contextmanager
def _held(out: Path) -> Iterator[Ledger]:
    """Hold a folder, clean up behind runs that were killed, and read what was claimed."""
    with locked(out):
        ledger = Ledger(out)
        for folder in {out, *ledger.folders}:
            remove_leftovers(folder)
        yield ledger


def _shared(ledger: Ledger, template: Any, made_with: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write down what all edits of a folder share, and return it; the seed is drawn once."""
    own = ("edit", "original_image", "edit_prompt", "original_prompt", "edited_prompt")
    settings = {name: value for name, value in json.loads(template.to_json()).items() if name not in own}
    before = {} if ledger.settings is None else ledger.settings
    if settings["seed"] is None:
        settings["seed"] = before.get("seed", secrets.randbelow(NUM_SEEDS))
    shared = {**made_with, **settings}
    ledger.begin(shared)
    return shared


def _edits_of(
    source: Source, instructions: Sequence[str], template: InstructionEdit, seed: int, read: Reader
) -> Iterator[Asked[InstructionEdit]]:
    """Yield what is asked for of one picture."""

    def request(words: str) -> InstructionEdit:
        return replace(template, original_image=read(source.path), edit_prompt=words, seed=seed)

    state = _state(source.path)
    for words in instructions:
        wanted = Wanted(
            of={"photo": str(source.path.resolve()), "edit_prompt": words},
            state=state,
            name=result_name(source.name, words),
        )
        yield Asked(label=str(source.name), wanted=wanted, request=partial(request, words))


def _state(path: Path) -> dict[str, int]:
    """Return what tells a file from one that was there before under its name."""
    found = path.stat()
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def _run(
    plan: Plan[EditT],
    load: Callable[[], ManyEdits[EditT]],
    batch_size: int | None,
    *,
    said: str,
    as_json: bool,
) -> None:
    """Carry out a plan under a progress bar; what was made is said, also where it is interrupted.

    Raises:
        PartlyDone: Some edits failed; all others are there.
    """
    began, ended = time.monotonic(), list[Ended]()
    try:
        if plan.to_do:
            with progress_bar("Editing", len(plan.to_do)) as advance:
                for one in carried_out(plan, load(), batch_size):
                    ended.append(one)
                    advance(1, one.label if one.failed is None else f"{one.label}: {one.failed}")
    finally:
        _report(plan, ended, time.monotonic() - began, said=said, as_json=as_json)
    if any(one.failed for one in ended):
        made = sum(one.failed is None for one in ended)
        raise PartlyDone(
            f"{len(ended) - made} of {len(ended)} edits failed, all others are there; mend what is said "
            "above and run the same again."
        )


def _report(plan: Plan[Any], ended: Sequence[Ended], seconds: float, *, said: str, as_json: bool) -> None:
    """Say what was made, what was there, and what failed, by its reason."""
    failed: dict[str, list[str]] = {}
    for one in ended:
        if one.failed is not None:
            failed.setdefault(one.failed, []).append(one.label)
    made = [one for one in ended if one.failed is None]
    notes = Counter(note for one in made for note in one.notes)
    if as_json:
        facts = {
            "out": str(plan.ledger.folder),
            "made": [{name: str(path) for name, path in one.places.items()} for one in made],
            "done_before": plan.done,
            "failed": failed,
            "not_begun": len(plan.to_do) - len(ended),
            "seed": (plan.ledger.settings or {}).get("seed"),
            "seconds": round(seconds, 3),
            "notes": dict(notes),
        }
        typer.echo(terminal.as_json(facts))
        return
    for one in made:
        for place in one.places.values():
            typer.echo(place)
    total = plan.done + len(plan.to_do)
    counts = [
        f"{len(made)} made in {seconds:.1f} s",
        *([f"{plan.done} done before"] if plan.done else []),
        *([f"{len(ended) - len(made)} failed"] if failed else []),
        *([f"{left} not begun"] if (left := len(plan.to_do) - len(ended)) else []),
    ]
    typer.echo(f"{total} edits {said}: {', '.join(counts)}.", err=True)
    for reason, labels in sorted(failed.items(), key=lambda item: -len(item[1])):
        names = ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
        typer.echo(f"failed, {len(labels)}: {reason} ({names})", err=True)
    for note, number in notes.most_common(_SHOWN):
        typer.echo(f"{number} of them: {note}", err=True)
